-- Asks the operator for it, for the revision that this very status says was rejected: a click that
-- comes late starts nothing else. The resource version makes each request different.
local rejected = obj.status and obj.status.rejectedRevision
if rejected == nil then
  error("No revision was rolled back, so there is none to try again.", 0)
end
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["canary-operator.dev/request"] =
  "retry/" .. rejected .. "/" .. obj.metadata.resourceVersion
return obj
