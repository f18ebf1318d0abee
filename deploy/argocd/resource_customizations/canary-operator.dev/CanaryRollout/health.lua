-- Health of a CanaryRollout. Its conditions follow kstatus:
-- https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md
local status = obj.status
if status == nil or status.observedGeneration ~= obj.metadata.generation then
  return {
    status = "Progressing",
    message = "canary-operator has not looked at this spec yet.",
  }
end

local found = {}
for _, condition in ipairs(status.conditions or {}) do
  if condition.status == "True" then
    found[condition.type] = condition
  end
end

local stalled, reconciling, paused = found.Stalled, found.Reconciling, found.Paused
if stalled ~= nil then
  return { status = "Degraded", message = stalled.message }
end
-- A pause beside a problem that is tried again is not what to show first.
if paused ~= nil and reconciling ~= nil and reconciling.reason == "Progressing" then
  return { status = "Suspended", message = status.message }
end
if reconciling ~= nil then
  return { status = "Progressing", message = reconciling.message }
end
if found.Ready ~= nil then
  return { status = "Healthy", message = found.Ready.message }
end
return { status = "Progressing", message = status.message or "" }
