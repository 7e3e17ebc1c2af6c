// How long an asynchronous function takes: after two runs that do not count, for `seconds` and at least `runs` times.
export async function measure(run, seconds, runs) {
    await run(), await run();
    const times = [], end = performance.now() + seconds * 1e3;
    while (times.length < runs || performance.now() < end) {
        const begin = performance.now();
        await run();
        times.push(performance.now() - begin);
    }
    times.sort((a, b) => a - b);
    return { median_ms: times[times.length >> 1], best_ms: times[0] };
}
