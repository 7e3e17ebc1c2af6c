// Logits of an ONNX file by ONNX Runtime (npm onnxruntime-node in the folder $PEERS), as bench/dicom.py asks for them.
//   node ort_logits.mjs FILE CORES     a tensor of one picture, float32, on standard input: a line of JSON with its logits, again and again
import { createRequire } from 'node:module';

const require = createRequire(process.env.PEERS + '/');
const ort = require('onnxruntime-node');
const session = await ort.InferenceSession.create(process.argv[2], { intraOpNumThreads: Number(process.argv[3]) });
const [name] = session.inputNames, [, ...shape] = session.inputMetadata[0].shape;
const size = 4 * shape.reduce((a, b) => a * b), output = session.outputNames.includes('logits') ? 'logits' : session.outputNames[0];

let parts = [], n = 0;
for await (const part of process.stdin) {
    parts.push(part);
    n += part.length;
    if (n < size) continue;
    const bytes = Buffer.concat(parts);
    const x = new ort.Tensor('float32', new Float32Array(bytes.buffer, bytes.byteOffset, size / 4), [1, ...shape]);
    console.log(JSON.stringify(Array.from((await session.run({ [name]: x }, [output]))[output].data)));
    parts = [], n = 0;
}
