#include "results.h"

#include <cstdio>

napi_value fromReport(napi_env env, const PathReport& report) {
  napi_value object = nullptr;
  napi_create_object(env, &object);
  List errors(env);
  for (const auto& finding : report.findings) {
    napi_value error = nullptr;
    napi_create_object(env, &error);
    setProperty(env, error, "depth", fromNumber(env, finding.depth));
    setProperty(env, error, "code", fromText(env, pathCodeName(finding.code)));
    setProperty(env, error, "text", fromText(env, X509_verify_cert_error_string(finding.code)));
    setProperty(env, error, "certificate", fromBytes(env, finding.certificate));
    errors.add(error);
  }
  setProperty(env, object, "presented", fromList(env, report.presented));
  setProperty(env, object, "path", fromList(env, report.path));
  setProperty(env, object, "errors", errors.get());
  return object;
}

namespace {

// OpenSSL's name of a cipher suite, or its number.
std::string suiteName(SSL* ssl, const uint8_t* id) {
  const unsigned number = static_cast<unsigned>(id[0] << 8 | id[1]);
  if (number == 0x00ff) return "TLS_EMPTY_RENEGOTIATION_INFO_SCSV";
  if (number == 0x5600) return "TLS_FALLBACK_SCSV";
  if (const SSL_CIPHER* cipher = SSL_CIPHER_find(ssl, id)) return SSL_CIPHER_get_name(cipher);
  char text[8];
  snprintf(text, sizeof text, "0x%04X", number);
  return text;
}

napi_value fromHello(napi_env env, SSL* ssl, const Hello& hello) {
  constexpr size_t most = 2 * 64;  // a peer chooses how many
  List suites(env);
  for (size_t i = 0; i + 1 < hello.ciphers.size() && i < most; i += 2)
    suites.add(fromText(env, suiteName(ssl, hello.ciphers.data() + i)));
  napi_value object = nullptr;
  napi_create_object(env, &object);
  setProperty(env, object, "legacyVersion", fromNumber(env, hello.legacyVersion));
  setProperty(env, object, "cipherSuites", suites.get());
  setProperty(env, object, "groups", fromBytes(env, hello.groups));
  setProperty(env, object, "signatureAlgorithms", fromBytes(env, hello.signatureAlgorithms));
  setProperty(env, object, "serverName", fromBytes(env, hello.serverName));
  setProperty(env, object, "alpn", fromBytes(env, hello.alpn));
  setProperty(env, object, "versions", fromBytes(env, hello.versions));
  return object;
}

napi_value takePeer(napi_env env, Session& session) {
  const PathReport report = std::move(session.report);
  session.report = PathReport();
  return report.presented.empty() ? undefined(env) : fromReport(env, report);
}

napi_value payload(napi_env env, Session& session, const Item& item) {
  napi_value object = nullptr;
  switch (item.kind) {
    case ItemKind::output:
    case ItemKind::message:
    case ItemKind::psk:
      return fromBytes(env, item.bytes);
    case ItemKind::alert:
      return fromNumber(env, item.number);
    case ItemKind::hello: {
      const napi_value facts = fromHello(env, session.ssl(), session.hello);
      const unsigned seen = session.hello.legacyVersion;
      session.hello = Hello();
      session.hello.legacyVersion = seen;
      return facts;
    }
    case ItemKind::established:
      napi_create_object(env, &object);
      setProperty(env, object, "version", fromText(env, SSL_get_version(session.ssl())));
      setProperty(env, object, "cipherSuite", fromText(env, SSL_get_cipher_name(session.ssl())));
      setProperty(env, object, "peer", takePeer(env, session));
      setProperty(env, object, "pskIdentity",
                  session.pskIdentity.empty() ? undefined(env) : fromBytes(env, session.pskIdentity));
      return object;
    case ItemKind::failed:
      napi_create_object(env, &object);
      setProperty(env, object, "error", fromText(env, session.error));
      setProperty(env, object, "peer", takePeer(env, session));
      return object;
    case ItemKind::peerClosed:
      break;
  }
  return undefined(env);
}

}  // namespace

napi_value outcome(napi_env env, Session& session) {
  List list(env);
  list.add(fromNumber(env, static_cast<int>(session.state())));
  list.add(fromNumber(env, session.more() ? 1 : 0));
  list.add(fromNumber(env, session.flightRemaining() < 0 ? 0 : session.flightTimeout()));
  list.add(fromNumber(env, session.timerStarts()));
  const std::vector<Item> items = std::move(session.items);
  session.items = {};
  for (const auto& item : items) {
    list.add(fromNumber(env, static_cast<int>(item.kind)));
    list.add(payload(env, session, item));
  }
  return list.get();
}
