// What ONNX Runtime (npm onnxruntime-web, in WebAssembly) makes of models: node answer.mjs < questions > answers
// A question is a line of JSON, {model: PATH, outputs: [NAME] or null, feeds: {NAME: {dims, data}}}, data the base64 of float32; its answer
// is one as well, {NAME: {dims, data}}, or {error: TEXT}.
import { createInterface } from 'node:readline';
import { readFileSync } from 'node:fs';
import * as ort from 'onnxruntime-web';

ort.env.wasm.numThreads = 1;
ort.env.logLevel = 'error';

function tensor({ dims, data }) {
  const bytes = Buffer.from(data, 'base64');
  return new ort.Tensor('float32', new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)), dims);
}

async function answer({ model, outputs, feeds }) {
  const session = await ort.InferenceSession.create(readFileSync(model));
  const given = Object.fromEntries(Object.entries(feeds).map(([name, value]) => [name, tensor(value)]));
  const results = await session.run(given, outputs ?? session.outputNames);
  await session.release();
  return Object.fromEntries(Object.entries(results).map(([name, { dims, data }]) =>
    [name, { dims, data: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64') }]));
}

for await (const line of createInterface({ input: process.stdin })) {
  let reply;
  try {
    reply = await answer(JSON.parse(line));
  } catch (error) {
    reply = { error: String(error) };
  }
  console.log(JSON.stringify(reply));
}
