// The same network, weights and tensors in ONNX Runtime (npm onnxruntime-node): how long does it take?
//   node ort_peer.mjs MODEL.onnx TENSORS     prints one JSON object
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { createRequire } from 'node:module';
import { measure } from './measure.mjs';

const require = createRequire(process.env.PEERS + '/');
const ort = require('onnxruntime-node');
const BATCH = 32, SIZE = 256, LABELS = 14, PLANE = SIZE * SIZE;
const file = readFileSync(process.argv[3]);
const raw = new Float32Array(file.buffer, file.byteOffset, file.byteLength / 4);
const expected = raw.subarray(BATCH * PLANE + BATCH * LABELS);

function input(n) {
    const x = new Float32Array(n * 3 * PLANE);
    for (let i = 0; i < n; i++)
        for (let c = 0; c < 3; c++) x.set(raw.subarray(i * PLANE, (i + 1) * PLANE), (i * 3 + c) * PLANE);
    return { x: new ort.Tensor('float32', x, [n, 3, SIZE, SIZE]) };
}

const sigmoid = z => 1 / (1 + Math.exp(-z));
const result = { version: require('onnxruntime-node/package.json').version };
for (const [name, threads] of [['1 core', 1], ['all cores', os.availableParallelism?.() ?? os.cpus().length]]) {
    const session = await ort.InferenceSession.create(process.argv[2], { intraOpNumThreads: threads });
    const one = input(1), all = input(BATCH);
    const logits = (await session.run(all)).logits.data;
    const apart = Math.max(...Array.from(logits, (z, i) => Math.abs(sigmoid(z) - sigmoid(expected[i]))));
    if (apart > 1e-4) throw new Error(`ONNX Runtime's probabilities differ by ${apart}: its times mean nothing`);
    result.largest_difference = apart;
    result[`forward, batch 1, ${name}`] = (await measure(() => session.run(one), 4, 5)).median_ms;
    result[`forward, batch 32, ${name}`] = (await measure(() => session.run(all), 4, 5)).median_ms;
}
console.log(JSON.stringify(result));
