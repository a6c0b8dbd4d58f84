-- Forty ticks for each client, one after the other: the idiom of LuaSocket's introduction.
local socket = require("socket")

local server = assert(socket.bind("127.0.0.1", 0))
local _, port = server:getsockname()
print("listening on 127.0.0.1:" .. port)
io.stdout:flush()
while true do
  local client = server:accept()
  client:receive()
  for tick = 1, 40 do
    if not client:send("tick " .. tick .. " " .. ("."):rep(200) .. "\n") then break end
    socket.sleep(0.01)
  end
  client:close()
end
