// The forward pass of an ONNX file in ONNX Runtime (npm onnxruntime-node in the folder $PEERS), as bench/turns.py asks for it.
//   node ort_onnx.mjs FILE CORES [BATCH]
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';

const require = createRequire(process.env.PEERS + '/');
const ort = require('onnxruntime-node');
const [file, cores, batch] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4] ?? 1)];
const session = await ort.InferenceSession.create(file, { intraOpNumThreads: cores });
const [name] = session.inputNames, [, channels, height, width] = session.inputMetadata[0].shape;
const numbers = Float32Array.from({ length: batch * channels * height * width }, () => Math.random() * 4 - 2);
const x = { [name]: new ort.Tensor('float32', numbers, [batch, channels, height, width]) };
const wanted = [session.outputNames.includes('logits') ? 'logits' : session.outputNames[0]];

// On one core by the process's time, on several by the clock's, as answer_in_turns() of bench/measure.c.
const processor = () => { const { user, system } = process.cpuUsage(); return (user + system) * 1e-6; };
const seconds = cores === 1 ? processor : () => performance.now() * 1e-3;

for await (const line of createInterface({ input: process.stdin })) {
    const times = [];
    for (let run = Number(line); run > 0; run--) {
        const begin = seconds();
        await session.run(x, wanted);
        times.push((seconds() - begin).toFixed(7));
    }
    console.log(times.join(' '));
}
