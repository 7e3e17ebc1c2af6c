-- wrk: POST one picture again and again.  wrk -s post.lua URL -- IMAGE.png
function init(args)
    local f = assert(io.open(args[1], "rb"))
    wrk.method = "POST"
    wrk.body = f:read("*a")
    wrk.headers["Content-Type"] = "image/png"
    f:close()
end

function done(summary, latency)
    io.write(string.format('{"requests_per_s":%.3f,"median_ms":%.3f,"p99_ms":%.3f,"requests":%d,"errors":%d}\n',
        summary.requests / summary.duration * 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
        summary.requests, summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status +
        summary.errors.timeout))
end
