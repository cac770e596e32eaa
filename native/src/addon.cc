// The N-API face (version 8): plain functions over opaque handles. src/secure/native.ts has their types.
//
// Nothing here is static but the counters: all handles belong to the JavaScript values that hold them.
#include <atomic>

#include "results.h"
#include "session.h"
#include "signing-key.h"
#include "values.h"

namespace {

std::atomic<int> liveContexts{0}, runningJobs{0};

napi_value fail(napi_env env, const std::string& message) {
  napi_throw_error(env, nullptr, message.c_str());
  return nullptr;
}

struct Arguments {
  static constexpr size_t most = 5;
  napi_value values[most] = {};
  Arguments(napi_env env, napi_callback_info info) {
    size_t count = most;
    napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
  }
  napi_value operator[](size_t index) const { return values[index]; }
};

// ---- handles ---------------------------------------------------------------------------------------------------------

using TrustHandle = std::shared_ptr<const Trust>;
using ContextHandle = std::shared_ptr<Context>;

struct SessionHandle {
  std::unique_ptr<Session> session;
  bool busy = false;  // a step runs, on a pool thread or in the middle of a call to JavaScript
  bool freeWhenDone = false;
};

template <typename T>
napi_value wrap(napi_env env, T* handle) {
  napi_value external = nullptr;
  napi_create_external(
      env, handle, [](napi_env, void* data, void*) { delete static_cast<T*>(data); }, nullptr, &external);
  return external;
}

template <typename T>
T* unwrap(napi_env env, napi_value external) {
  void* data = nullptr;
  if (typeOf(env, external) != napi_external || napi_get_value_external(env, external, &data) != napi_ok) return nullptr;
  return static_cast<T*>(data);
}

// The session of a handle that this thread may use now, or null after throwing.
Session* usable(napi_env env, napi_value external) {
  auto* handle = unwrap<SessionHandle>(env, external);
  if (handle && handle->session && !handle->busy) return handle->session.get();
  napi_throw_error(env, nullptr, handle && handle->busy ? "the session is busy" : "the session is freed");
  return nullptr;
}

// ---- functions -------------------------------------------------------------------------------------------------------

// createTrust(options): handle
napi_value createTrust(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const napi_value from = arguments[0];
  const std::string purpose = toText(env, property(env, from, "purpose"));
  TrustOptions options;
  options.anchors = toList(env, property(env, from, "anchors"), toBytes);
  options.intermediates = toList(env, property(env, from, "intermediates"), toBytes);
  options.crls = toList(env, property(env, from, "crls"), toBytes);
  options.fingerprints = toList(env, property(env, from, "fingerprints"), toBytes);
  options.pins = toList(env, property(env, from, "pins"), toBytes);
  options.tolerate = toList(env, property(env, from, "tolerate"), toText);
  options.toleratePinned = toList(env, property(env, from, "toleratePinned"), toText);
  options.ignoreDates = toBool(env, property(env, from, "ignoreDates"));
  options.purpose = purpose == "client" ? Purpose::client : purpose == "server" ? Purpose::server : Purpose::any;
  std::string error;
  auto trust = Trust::create(options, error);
  return trust ? wrap(env, new TrustHandle(std::move(trust))) : fail(env, error);
}

// verifyPath(trust, presented, at): report, or undefined when the leaf is no certificate
napi_value verifyPath(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const auto* trust = unwrap<TrustHandle>(env, arguments[0]);
  if (!trust) return fail(env, "not a trust handle");
  STACK_OF(X509)* presented = sk_X509_new_null();
  for (const Bytes& der : toList(env, arguments[1], toBytes)) {
    X509Ptr certificate = parseCertificate(der);
    if (!certificate && sk_X509_num(presented) == 0) break;
    if (certificate) sk_X509_push(presented, certificate.release());
  }
  napi_value result = undefined(env);
  if (sk_X509_num(presented) > 0)
    result = fromReport(env, (*trust)->verify(presented, static_cast<int64_t>(toNumber(env, arguments[2]))));
  sk_X509_pop_free(presented, X509_free);
  return result;
}

// createContext(options): handle
napi_value createContext(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const napi_value from = arguments[0];
  const auto size = [&](const char* name) { return static_cast<size_t>(toNumber(env, property(env, from, name))); };
  const auto flag = [&](const char* name) { return toBool(env, property(env, from, name)); };
  ContextOptions options;
  options.datagram = flag("datagram");
  options.server = flag("server");
  options.requireCertificate = flag("requireCertificate");
  options.simulatedClock = flag("simulatedClock");
  options.pskLookup = flag("pskLookup");
  options.minVersion = static_cast<int>(size("minVersion"));
  options.maxVersion = static_cast<int>(size("maxVersion"));
  options.chain = toList(env, property(env, from, "chain"), toBytes);
  options.privateKey = toBytes(env, property(env, from, "privateKey"));
  options.publicKey = toBytes(env, property(env, from, "publicKey"));
  options.ciphers = toText(env, property(env, from, "ciphers"));
  options.groups = toText(env, property(env, from, "groups"));
  options.signatureAlgorithms = toText(env, property(env, from, "signatureAlgorithms"));
  options.alpn = toText(env, property(env, from, "alpn"));
  options.pskIdentity = toBytes(env, property(env, from, "pskIdentity"));
  options.pskKey = toBytes(env, property(env, from, "pskKey"));
  options.mtu = size("mtu");
  options.recordBytes = size("recordBytes");
  options.chainBytes = size("chainBytes");
  options.pskIdentityBytes = size("pskIdentityBytes");
  options.keyUpdates = static_cast<unsigned>(size("keyUpdates"));
  options.flightTimeout = static_cast<unsigned>(size("flightTimeout"));
  options.flightTimeoutMax = static_cast<unsigned>(size("flightTimeoutMax"));
  options.cookieKey = static_cast<int64_t>(size("cookieKey"));
  if (const auto* trust = unwrap<TrustHandle>(env, property(env, from, "trust"))) options.trust = *trust;
  std::string error;
  auto context = Context::create(std::move(options), error);
  if (!context) return fail(env, error);
  liveContexts++;
  napi_value external = nullptr;
  napi_create_external(
      env, new ContextHandle(std::move(context)),
      [](napi_env, void* data, void*) {
        delete static_cast<ContextHandle*>(data);
        liveContexts--;
      },
      nullptr, &external);
  return external;
}

// openSession(context, now, serverName): handle
napi_value openSession(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const auto* context = unwrap<ContextHandle>(env, arguments[0]);
  if (!context) return fail(env, "not a context handle");
  auto session = std::make_unique<Session>(**context);
  session->begin(*context, static_cast<int64_t>(toNumber(env, arguments[1])));
  const std::string serverName = toText(env, arguments[2]);
  if (!serverName.empty()) session->setServerName(serverName);
  return wrap(env, new SessionHandle{std::move(session)});
}

// listen(context, peer, datagram, now): session handle, reply, or undefined
napi_value listen(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const auto* context = unwrap<ContextHandle>(env, arguments[0]);
  if (!context) return fail(env, "not a context handle");
  Bytes reply;
  auto session = (*context)->listen(toText(env, arguments[1]), toBytes(env, arguments[2]),
                                    static_cast<int64_t>(toNumber(env, arguments[3])), reply);
  if (session) return wrap(env, new SessionHandle{std::move(session)});
  return reply.empty() ? undefined(env) : fromBytes(env, reply);
}

// feed(session, bytes)
napi_value feed(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  Session* session = usable(env, arguments[0]);
  const uint8_t* data = nullptr;
  size_t size = 0;
  if (session && readBytes(env, arguments[1], &data, &size)) session->feed(data, size);
  return nullptr;
}

// run(session, budget, sign or undefined): outcome, or undefined if freed meanwhile: `sign` (signing-key.h) may do that
napi_value run(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  if (!usable(env, arguments[0])) return nullptr;
  auto& handle = *unwrap<SessionHandle>(env, arguments[0]);
  handle.busy = true;
  {
    const SigningTurn turn(env, arguments[2]);
    handle.session->run(static_cast<size_t>(toNumber(env, arguments[1])));
    if (!turn.failure().empty()) handle.session->error = turn.failure();
  }
  handle.busy = false;
  if (!handle.freeWhenDone) return outcome(env, *handle.session);
  handle.session.reset();
  return undefined(env);
}

struct Job {
  napi_async_work work = nullptr;
  napi_ref keepAlive = nullptr;  // strong: the handle outlives the job
  napi_ref done = nullptr;
  SessionHandle* handle = nullptr;
};

void finishJob(napi_env env, napi_status, void* data) {
  std::unique_ptr<Job> job(static_cast<Job*>(data));
  SessionHandle& handle = *job->handle;
  runningJobs--;
  handle.busy = false;
  napi_value callback = nullptr, result = undefined(env), receiver = undefined(env);
  if (handle.freeWhenDone) handle.session.reset();
  else result = outcome(env, *handle.session);
  napi_get_reference_value(env, job->done, &callback);
  napi_delete_reference(env, job->done);
  napi_delete_reference(env, job->keepAlive);
  napi_delete_async_work(env, job->work);
  napi_value ignored = nullptr;
  if (napi_call_function(env, receiver, callback, 1, &result, &ignored) == napi_pending_exception) {
    napi_value thrown = nullptr;
    napi_get_and_clear_last_exception(env, &thrown);
    napi_fatal_exception(env, thrown);
  }
}

// runOnPool(session, done): a handshake step on libuv's pool, then done(outcome), or done(undefined) if freed meanwhile
napi_value runOnPool(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  if (!usable(env, arguments[0])) return nullptr;
  auto job = std::make_unique<Job>();
  job->handle = unwrap<SessionHandle>(env, arguments[0]);
  napi_create_reference(env, arguments[0], 1, &job->keepAlive);
  napi_create_reference(env, arguments[1], 1, &job->done);
  napi_create_async_work(
      env, nullptr, fromText(env, "firstboot:handshake"),
      [](napi_env, void* data) { static_cast<Job*>(data)->handle->session->run(0); }, finishJob, job.get(), &job->work);
  job->handle->busy = true;
  runningJobs++;
  napi_queue_async_work(env, job.release()->work);
  return nullptr;
}

// retransmit(session): outcome; no new timer start in it means that nothing was due yet
napi_value retransmit(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  Session* session = usable(env, arguments[0]);
  if (!session) return nullptr;
  session->retransmit();
  return outcome(env, *session);
}

// send(session, message): outcome
napi_value send(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  Session* session = usable(env, arguments[0]);
  const uint8_t* data = nullptr;
  size_t size = 0;
  if (!session || !readBytes(env, arguments[1], &data, &size)) return nullptr;
  session->send(data, size);
  return outcome(env, *session);
}

// providePsk(session, key or undefined)
napi_value providePsk(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  Session* session = usable(env, arguments[0]);
  if (!session) return nullptr;
  const Bytes key = toBytes(env, arguments[1]);
  session->providePsk(key.empty() ? nullptr : &key);
  return nullptr;
}

// shutdown(session): outcome, with close_notify in it
napi_value shutdown(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  Session* session = usable(env, arguments[0]);
  if (!session) return nullptr;
  session->shutdown();
  return outcome(env, *session);
}

// free(session): at once, or when the running job is done
napi_value freeSession(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  auto* handle = unwrap<SessionHandle>(env, arguments[0]);
  if (!handle) return fail(env, "not a session handle");
  if (handle->busy) handle->freeWhenDone = true;
  else handle->session.reset();
  return nullptr;
}

// statistics(): {contexts, sessions, jobs}
napi_value statistics(napi_env env, napi_callback_info) {
  napi_value object = nullptr;
  napi_create_object(env, &object);
  setProperty(env, object, "contexts", fromNumber(env, liveContexts));
  setProperty(env, object, "sessions", fromNumber(env, Session::liveCount()));
  setProperty(env, object, "jobs", fromNumber(env, runningJobs));
  return object;
}

napi_value init(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
#define FUNCTION(name, function) {name, nullptr, function, nullptr, nullptr, nullptr, napi_enumerable, nullptr}
      FUNCTION("createTrust", createTrust), FUNCTION("verifyPath", verifyPath),
      FUNCTION("createContext", createContext), FUNCTION("openSession", openSession),
      FUNCTION("listen", listen), FUNCTION("feed", feed),
      FUNCTION("run", run), FUNCTION("runOnPool", runOnPool),
      FUNCTION("retransmit", retransmit), FUNCTION("send", send),
      FUNCTION("providePsk", providePsk), FUNCTION("shutdown", shutdown),
      FUNCTION("free", freeSession), FUNCTION("statistics", statistics),
#undef FUNCTION
  };
  napi_define_properties(env, exports, sizeof functions / sizeof functions[0], functions);
  return exports;
}

}  // namespace

NAPI_MODULE_INIT() { return init(env, exports); }
