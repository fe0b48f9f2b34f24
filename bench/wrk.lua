-- wrk ... -- FILE WORD: sends any of the requests in FILE, which NUL separates, and expects 200 and WORD in each answer.
-- Prints what bench/client.py does.
local threads = {}

function setup(thread)
   table.insert(threads, thread)
end

function init(args)
   requests, word, wrong = {}, args[2], 0
   for each in io.open(args[1], "rb"):read("*a"):gmatch("%Z+") do
      requests[#requests + 1] = each
   end
end

function request()
   return requests[math.random(#requests)]
end

function response(status, headers, body)
   if status ~= 200 or not body:find(word, 1, true) or body:find('"errors"', 1, true) then
      wrong = wrong + 1
   end
end

function done(summary, latency)
   local wrong = 0
   for _, thread in ipairs(threads) do
      wrong = wrong + thread:get("wrong")
   end
   local lost = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
   io.write(string.format(
      '\n{"done": %d, "took": %f, "p50_ms": %f, "p99_ms": %f, "worst_ms": %f, "refused": 0, '
         .. '"failed": {"wrong answer": %d, "no answer": %d}, "results": []}\n',
      summary.requests - wrong, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
      latency.max / 1e3, wrong, lost
   ))
end
