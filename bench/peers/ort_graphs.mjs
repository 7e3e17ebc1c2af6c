// The architectures of bench/graphs.c in ONNX Runtime (npm onnxruntime-node): how long do they take?
//   node ort_graphs.mjs FOLDER     prints one JSON object
import { readFileSync, readdirSync } from 'node:fs';
import os from 'node:os';
import { createRequire } from 'node:module';
import { measure } from './measure.mjs';

const require = createRequire(process.env.PEERS + '/');
const ort = require('onnxruntime-node');
const BATCH = 16, SIZE = 224, LABELS = 14, PLANE = SIZE * SIZE;
const cores = os.availableParallelism?.() ?? os.cpus().length;

const result = { version: require('onnxruntime-node/package.json').version };
for (const file of readdirSync(process.argv[2]).filter(f => f.endsWith('.onnx')).sort()) {
    const name = file.slice(0, -5), path = `${process.argv[2]}/${name}`, bytes = readFileSync(`${path}.raw`);
    const raw = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    const input = n => ({ image: new ort.Tensor('float32', raw.slice(0, n * PLANE), [n, 1, SIZE, SIZE]) });
    const expected = raw.subarray(BATCH * PLANE), most = Math.max(1, ...expected.map(Math.abs));
    for (const [what, threads, n] of [['batch 1, 1 core', 1, 1], ['batch 1, all cores', cores, 1], ['batch 16, all cores', cores, BATCH]]) {
        const session = await ort.InferenceSession.create(`${path}.onnx`, { intraOpNumThreads: threads });
        const x = input(n), logits = (await session.run(x, ['logits'])).logits.data;
        const apart = Math.max(...Array.from(logits, (z, i) => Math.abs(z - expected[i]))) / most;
        if (!(apart < 1e-4)) throw new Error(`${name}: ONNX Runtime's logits differ by ${apart}: its times mean nothing`);
        result[`${name}, largest difference`] = Math.max(apart, result[`${name}, largest difference`] ?? 0);
        result[`${name}, ${what}`] = await measure(() => session.run(x, ['logits']), 3, 5);
    }
}
console.log(JSON.stringify(result));
