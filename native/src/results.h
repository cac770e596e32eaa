// What the engine hands to JavaScript. src/secure/native.ts has the types.
#pragma once
#include "session.h"
#include "values.h"

napi_value fromReport(napi_env env, const PathReport& report);

// Takes what the session has to tell: [state, more, flight timeout (ms, 0: none outstanding), timer starts, kind,
// payload, kind, payload, ...]
napi_value outcome(napi_env env, Session& session);
