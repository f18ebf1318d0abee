-- Which actions make sense now; docs/reference.md, "Requests", has the rules.
local status = obj.status or {}
local phase = status.phase

local waits, by_spec, passed = false, false, false
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Paused" and condition.status == "True" then
    waits = condition.reason == "ApprovalRequired"
    by_spec = condition.reason == "PausedBySpec"
    passed = condition.reason == "PromotionRequired"
  end
end

local on_steps = phase == "Progressing" or phase == "Paused"
local carries_traffic = phase == "RollingBack" and (status.weight or 0) > 0

return {
  pause = {
    disabled = phase ~= "Progressing",
    displayName = "Pause",
    iconClass = "fa fa-fw fa-pause",
  },
  resume = {
    disabled = phase ~= "Paused" or by_spec or passed,
    displayName = waits and "Approve this step" or "Resume",
    iconClass = "fa fa-fw fa-play",
  },
  promote = {
    disabled = not on_steps,
    displayName = passed and "Promote: every step passed" or "Promote now, skip what is left",
    iconClass = "fa fa-fw fa-forward",
  },
  abort = {
    disabled = not (on_steps or phase == "Promoting" or carries_traffic),
    displayName = "Abort: all traffic to stable",
    iconClass = "fa fa-fw fa-undo",
  },
  retry = {
    disabled = phase ~= "RolledBack",
    displayName = "Try the rejected revision again",
    iconClass = "fa fa-fw fa-redo",
  },
}
