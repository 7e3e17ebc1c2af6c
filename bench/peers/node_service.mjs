// What a web developer would build: Node's http, sharp, ONNX Runtime; a process a core. POST / takes a PNG, answers JSON.
//   node node_service.mjs MODEL.onnx PORT PROCESSES THREADS
import cluster from 'node:cluster';
import http from 'node:http';
import { createRequire } from 'node:module';

const [, , model, port, processes, threads] = process.argv;
const require = createRequire(process.env.PEERS + '/');
const SIZE = 256, PLANE = SIZE * SIZE, MEAN = 128, STD = 64;

async function serve() {
    const ort = require('onnxruntime-node');
    const sharp = require('sharp');
    sharp.concurrency(Number(threads));
    sharp.cache(false);
    const session = await ort.InferenceSession.create(model, { intraOpNumThreads: Number(threads) });
    const answer = async body => {
        const grey = await sharp(body).greyscale().resize(SIZE, SIZE, { fit: 'fill', kernel: 'nearest' }).raw().toBuffer();
        const x = new Float32Array(3 * PLANE);
        for (let i = 0; i < PLANE; i++) x[i] = (grey[i] - MEAN) / STD;
        x.copyWithin(PLANE, 0, PLANE);
        x.copyWithin(2 * PLANE, 0, PLANE);
        const { logits } = await session.run({ x: new ort.Tensor('float32', x, [1, 3, SIZE, SIZE]) });
        return JSON.stringify(Array.from(logits.data, z => 1 / (1 + Math.exp(-z))));
    };
    http.createServer((req, res) => {
        const parts = [];
        req.on('data', part => parts.push(part));
        req.on('end', async () => {
            try {
                const text = await answer(Buffer.concat(parts));
                res.writeHead(200, { 'Content-Type': 'application/json' }).end(text);
            } catch (error) {
                res.writeHead(400).end(String(error));
            }
        });
    }).listen(Number(port), '127.0.0.1', () => console.log('listening'));
}

if (cluster.isPrimary && Number(processes) > 1)
    for (let i = 0; i < Number(processes); i++) cluster.fork();
else await serve();
