-- wrk: POST one picture at random moments.  wrk -s poisson.lua URL -- IMAGE.png MEAN_MS SEED
-- Each connection pauses before a request for a time of an exponential distribution: many of them together are a Poisson process, as
-- long as an answer takes much less than a pause. Prints what post.lua does, and "latencies": pairs of microseconds and how many answers
-- took as long, so that the answers of several runs can be put together.
local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
dofile(here .. "post.lua")

local post, mean = init, 0

function init(args)
    post(args)
    mean = tonumber(args[2])
    math.randomseed(tonumber(args[3]))
end

function delay()
    return math.floor(-mean * math.log(1 - math.random()) + 0.5)
end

local told = done

function done(summary, latency)
    local pairs_of = {}
    for i = 1, #latency do
        local us, n = latency(i)
        pairs_of[i] = string.format("[%d,%d]", us, n)
    end
    io.write('{"latencies":[' .. table.concat(pairs_of, ",") .. "]}\n")
    told(summary, latency)
end
