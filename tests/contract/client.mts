// What a user of cxrd writes in TypeScript: the types are generated from openapi.yaml, and this compiles only as long as they say
// what one needs. It is also run, against a server without models whose one data set is drawn.
import type { Client } from 'openapi-fetch';
import type { components, paths } from 'cxrd-api';

type Schemas = components['schemas'];
type Job = Schemas['Job'];
type Answer<T> = { data?: T; error?: Schemas['Problem'] | undefined; response: Response };

const ENDED: readonly Job['state'][] = ['succeeded', 'failed', 'cancelled', 'interrupted'];
const QUICK: Schemas['TrainRequest'] = { dataset: 'phantom', image_size: 64, epochs: 1, batch_size: 16, steps_per_epoch: 2, seed: 1 };

function must<T>({ data, error }: Answer<T>): T {
  if (data === undefined) throw new Error(error?.detail ?? 'no reply');
  return data;
}

function refused(status: number, { error, response }: Answer<unknown>): Schemas['Problem'] {
  if (!error || response.status !== status || error.status !== status) throw new Error(`${response.status}, not the ${status} it should be`);
  return error;
}

// openapi-fetch would make JSON of a body; a file goes as it is.
const file = (content: Blob, type: string) => ({
  body: content as unknown as string,
  bodySerializer: (body: unknown) => body as Blob,
  headers: { 'Content-Type': type },
});

async function train(api: Client<paths>, request: Schemas['TrainRequest']): Promise<Job> {
  const { id } = must(await api.POST('/jobs/train', { body: request, params: { header: { 'Idempotency-Key': `seed-${request.seed}` } } }));
  for (;;) {
    const job = must(await api.GET('/jobs/{id}', { params: { path: { id } } }));
    if (ENDED.includes(job.state)) return job;
    await new Promise((later) => { setTimeout(later, 200); });
  }
}

async function withoutModel(api: Client<paths>, film: Blob): Promise<void> {
  must(await api.GET('/livez'));
  must(await api.GET('/version'));
  must(await api.GET('/models'));
  refused(503, await api.GET('/readyz'));
  refused(503, await api.POST('/predict', file(film, 'image/png')));
  refused(409, await api.POST('/models/rollback'));
  const problem = refused(422, await api.POST('/jobs/train', { body: { ...QUICK, epochs: 5000, image_size: 65 } }));
  if (problem.errors?.map((entry) => entry.field).sort().join() !== 'epochs,image_size') throw new Error('the wrong fields');
}

async function jobs(api: Client<paths>): Promise<string> {
  const job = await train(api, QUICK);
  if (job.state !== 'succeeded' || job.model === null) throw new Error(job.error ?? job.state);
  const path = { id: job.id };
  must(await api.GET('/jobs', { params: { query: { state: 'succeeded', limit: 1 } } }));
  must(await api.GET('/jobs/{id}/report', { params: { path }, parseAs: 'text' }));
  must(await api.GET('/jobs/{id}/scores', { params: { path, query: { split: 'validation' } }, parseAs: 'text' }));
  refused(409, await api.POST('/jobs/{id}/cancel', { params: { path } }));
  refused(404, await api.GET('/jobs/{id}', { params: { path: { id: '00000000-0000' } } }));
  const nothing = await train(api, { ...QUICK, epochs: 0, seed: 2 });
  const { response } = await api.DELETE('/jobs/{id}', { params: { path: { id: nothing.id } } });
  if (response.status !== 204) throw new Error('not deleted');
  return job.model;
}

async function models(api: Client<paths>, id: string): Promise<void> {
  const path = { id };
  const card = must(await api.GET('/models/{id}', { params: { path } }));
  const weights = must(await api.GET('/models/{id}/weights', { params: { path }, parseAs: 'blob' })) as unknown as Blob;
  const copy = must(await api.POST('/models', file(weights, 'application/octet-stream')));
  if (copy.sha256 !== card.sha256 || !copy.imported) throw new Error('not the same weights');
  must(await api.POST('/models/{id}/activate', { params: { path: { id: copy.id } } }));
  must(await api.POST('/models/rollback'));
  must(await api.GET('/readyz'));
}

async function predict(api: Client<paths>, film: Blob): Promise<void> {
  const prediction = must(await api.POST('/predict', { ...file(film, 'image/png'), params: { query: { explain: 'Mass' } } }));
  if (typeof prediction === 'string') throw new Error('a report in DICOM, which was not asked for');
  const first = prediction.findings[0];
  if (!first || prediction.probabilities[first.label] !== first.probability) throw new Error('two answers in one');
  const { explanation } = prediction;
  if (!explanation) throw new Error('no explanation');
  const sum = (explanation.bias ?? 0) + explanation.inputs + explanation.grid.flat().reduce((all, cell) => all + cell, 0);
  if (Math.abs(sum - explanation.logit) > 1e-4) throw new Error('the map is not the logit');
  must(await api.POST('/predict/heatmap', { ...file(film, 'image/png'), params: { query: { label: first.label } }, parseAs: 'blob' }));
  refused(415, await api.POST('/predict', file(new Blob(['GIF89a']), 'image/gif')));
}

export async function walk(api: Client<paths>, film: Blob): Promise<void> {
  await withoutModel(api, film);
  const model = await jobs(api);
  await models(api, model);
  await predict(api, film);
  must(await api.GET('/metrics', { parseAs: 'text' }));
}
