-- For `wrk`: sets the PVs that are its arguments one after the other, each time until the IOC has said that it is done.

function init(pvs)
  local headers = { ["Content-Type"] = "application/json" }
  turns, turn = {}, 0
  for number, pv in ipairs(pvs) do
    local body = '{"pv_name":"%s","value":%d,"wait":true,"use_complete":true}'
    turns[number] = wrk.format("POST", "/api/v1/pv/set", headers, string.format(body, pv, number))
  end
end

function request()
  turn = turn % #turns + 1
  return turns[turn]
end
