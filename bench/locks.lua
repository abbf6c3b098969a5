-- For `wrk`: every thread is a client with one connection that locks a device and releases it, for ever.
-- The one argument says whether all of them want the same device.

local clients = {}

function setup(thread)
  thread:set("client", #clients)
  table.insert(clients, thread)
end

function init(words)
  local number = words[1] == "contended" and 0 or client
  local devices = string.format('{"device_names":["device_%05d"],"item_id":"client-%d"', number, client)
  local headers = { ["Content-Type"] = "application/json" }
  local lock = devices .. ',"plan_name":"bench"}'
  take = wrk.format("POST", "/api/v1/devices/lock", headers, lock)
  release = wrk.format("POST", "/api/v1/devices/unlock", headers, devices .. "}")
  holds, locks, refused, failed = false, 0, 0, 0
end

function request()
  return holds and release or take
end

function response(status)
  if status == 200 then
    locks = locks + (holds and 1 or 0)
    holds = not holds
  elseif status == 409 and not holds then
    refused = refused + 1
  else
    failed = failed + 1
  end
end

function done(summary, latency)
  local sums = { locks = 0, refused = 0, failed = 0 }
  for _, thread in ipairs(clients) do
    for name, sum in pairs(sums) do
      sums[name] = sum + thread:get(name)
    end
  end
  local format = '{"locks":%d,"refused":%d,"failed":%d,"seconds":%f,"p50_ms":%f,"p99_ms":%f}\n'
  io.write(string.format(format, sums.locks, sums.refused, sums.failed, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
