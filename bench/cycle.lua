-- wrk: POST the pictures of a list, one after the other.  wrk -s cycle.lua URL -- LIST
local bodies, i = {}, 0

function init(args)
    for path in io.lines(args[1]) do
        local f = assert(io.open(path, "rb"))
        bodies[#bodies + 1] = wrk.format("POST", nil, { ["Content-Type"] = "image/png" }, f:read("*a"))
        f:close()
    end
end

function request()
    i = i % #bodies + 1
    return bodies[i]
end

function done(summary)
    io.write(string.format('{"requests_per_s":%.3f,"requests":%d,"errors":%d}\n',
        summary.requests / summary.duration * 1e6, summary.requests,
        summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout))
end
