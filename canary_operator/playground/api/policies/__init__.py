"""ValidatingAdmissionPolicies: rules in CEL that an administrator adds to the API server."""
