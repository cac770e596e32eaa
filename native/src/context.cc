#include "context.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <cstring>
#include <map>
#include <mutex>

#include "session.h"
#include "signing-key.h"

namespace {

constexpr size_t cookieSize = 32;

// SSL_OP_NO_TX_CERTIFICATE_COMPRESSION and _RX_, which OpenSSL 3.0's headers lack. Node's OpenSSL has Brotli: compressing
// costs a TLS 1.3 client 1.7 ms, twice the handshake, and a service should not decompress what strangers send.
constexpr uint64_t noCertificateCompression = uint64_t{3} << 32;

std::string firstError(const char* what) {
  const unsigned long code = ERR_get_error();
  const char* reason = code ? ERR_reason_error_string(code) : nullptr;
  ERR_clear_error();
  return std::string(what) + (reason ? std::string(": ") + reason : "");
}

// RFC 7301 §3.1: a list of names with a length byte each, from a peer.
int chooseAlpn(SSL*, const unsigned char** chosen, unsigned char* chosenSize, const unsigned char* offered,
               unsigned int size, void* arg) {
  const std::string& ours = static_cast<Context*>(arg)->options().alpn;
  for (unsigned int at = 0; at < size; at += 1 + offered[at]) {
    const unsigned int length = offered[at];
    if (length > size - at - 1) break;
    if (length != ours.size() || memcmp(offered + at + 1, ours.data(), length) != 0) continue;
    *chosen = offered + at + 1;
    *chosenSize = static_cast<unsigned char>(length);
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_NOACK;
}

}  // namespace

std::shared_ptr<Context> Context::create(ContextOptions options, std::string& error) {
  std::shared_ptr<Context> context(new Context());
  context->options_ = std::move(options);
  ERR_clear_error();
  if (context->options_.server) {
    context->configure(error);
  } else {
    context->ctx_ = context->sharedCtx(error);
  }
  const bool made = error.empty() && (context->options_.chain.empty() || context->configureIdentity(error));
  ERR_clear_error();
  return made ? context : nullptr;
}

Context::~Context() {
  listener_.reset();
  SSL_CTX_free(ctx_);
  OPENSSL_cleanse(options_.pskKey.data(), options_.pskKey.size());
  OPENSSL_cleanse(cookieKeys_, sizeof cookieKeys_);
}

SSL* Context::newSsl() const {
  SSL* ssl = SSL_new(ctx_);
  if (ssl && leaf_) {
    SSL_use_certificate(ssl, leaf_.get());
    for (const X509Ptr& certificate : issuers_) SSL_add1_chain_cert(ssl, certificate.get());
    SSL_use_PrivateKey(ssl, key_.get());
  }
  return ssl;
}

// Making an SSL_CTX costs more than half a handshake, and what clients' differ in, identity and trust, can be given to each
// session: a thousand devices of one process share one. Bounded: settings beyond are not shared.
SSL_CTX* Context::sharedCtx(std::string& error) {
  static std::mutex lock;
  static std::map<std::string, SSL_CTX*> known;
  constexpr size_t most = 64;
  const ContextOptions& o = options_;
  std::string settings;
  for (const size_t number : {static_cast<size_t>(o.datagram), static_cast<size_t>(o.trust != nullptr),
                              static_cast<size_t>(o.requireCertificate), static_cast<size_t>(o.pskKey.empty()),
                              static_cast<size_t>(o.minVersion), static_cast<size_t>(o.maxVersion), o.chainBytes, o.recordBytes})
    settings += std::to_string(number) + '/';
  for (const std::string& text : {o.ciphers, o.groups, o.signatureAlgorithms}) settings += text + '/';
  const std::lock_guard<std::mutex> guard(lock);
  const auto found = known.find(settings);
  if (found != known.end()) {
    SSL_CTX_up_ref(found->second);
    return found->second;
  }
  if (!configure(error)) {
    SSL_CTX_free(ctx_);
    return nullptr;
  }
  if (known.size() < most) {
    SSL_CTX_up_ref(ctx_);
    known.emplace(std::move(settings), ctx_);
  }
  return ctx_;
}

bool Context::configure(std::string& error) {
  const ContextOptions& o = options_;
  ctx_ = SSL_CTX_new(o.datagram ? DTLS_method() : TLS_method());
  if (!ctx_) return error = firstError("OpenSSL"), false;
  SSL_CTX_set_min_proto_version(ctx_, o.datagram ? DTLS1_2_VERSION : o.minVersion == 13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_max_proto_version(ctx_, o.datagram ? DTLS1_2_VERSION : o.maxVersion == 12 ? TLS1_2_VERSION : TLS1_3_VERSION);
  SSL_CTX_set_options(ctx_, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_QUERY_MTU |
                                SSL_OP_CIPHER_SERVER_PREFERENCE | noCertificateCompression);
  // With encrypt-then-MAC, OpenSSL ends a DTLS session on a forged record instead of dropping it (RFC 6347 §4.1.2.7):
  // anybody could do that. The CBC suites then use the older order.
  if (o.datagram) SSL_CTX_set_options(ctx_, SSL_OP_NO_ENCRYPT_THEN_MAC);
  SSL_CTX_set_mode(ctx_, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY | SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_session_cache_mode(ctx_, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(ctx_, 0);
  SSL_CTX_set_max_cert_list(ctx_, static_cast<long>(o.chainBytes));
  SSL_CTX_set_max_send_fragment(ctx_, static_cast<long>(o.recordBytes));
  SSL_CTX_set_msg_callback(ctx_, Session::onProtocolMessage);
  // Level 0 because OpenSSL >= 3.2 has CCM8 at no other; keys and digests of chains are judged by Trust.
  if (!SSL_CTX_set_cipher_list(ctx_, (o.ciphers + ":@SECLEVEL=0").c_str()))
    return error = firstError("ciphers"), false;
  // The cheapest first: 1.3 has no weak one.
  SSL_CTX_set_ciphersuites(ctx_, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256");
  if (!SSL_CTX_set1_groups_list(ctx_, o.groups.c_str())) return error = firstError("groups"), false;
  if (!SSL_CTX_set1_sigalgs_list(ctx_, o.signatureAlgorithms.c_str()))
    return error = firstError("signature algorithms"), false;

  int verify = o.trust ? SSL_VERIFY_PEER : SSL_VERIFY_NONE;
  if (o.trust && o.requireCertificate) verify |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  SSL_CTX_set_verify(ctx_, verify, nullptr);
  SSL_CTX_set_cert_verify_callback(ctx_, Session::onVerify, nullptr);
  if (o.server) {
    SSL_CTX_set_client_hello_cb(ctx_, Session::onClientHello, nullptr);
    if (!o.alpn.empty()) SSL_CTX_set_alpn_select_cb(ctx_, chooseAlpn, this);
    if (o.pskLookup) SSL_CTX_set_psk_server_callback(ctx_, Session::onServerPsk);
    if (o.datagram) {
      SSL_CTX_set_cookie_generate_cb(ctx_, makeCookie);
      SSL_CTX_set_cookie_verify_cb(ctx_, checkCookie);
    }
  } else if (!o.pskKey.empty()) {
    SSL_CTX_set_psk_client_callback(ctx_, Session::onClientPsk);
  }
  return true;
}

bool Context::configureIdentity(std::string& error) {
  for (size_t i = 0; i < options_.chain.size(); i++) {
    X509Ptr certificate = parseCertificate(options_.chain[i]);
    if (!certificate) return error = "certificate " + std::to_string(i + 1) + " of the identity is not DER of one", false;
    if (i == 0) leaf_ = std::move(certificate);
    else issuers_.push_back(std::move(certificate));
  }
  const unsigned char* at = options_.privateKey.data();
  key_.reset(options_.publicKey.empty() ? d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(options_.privateKey.size()))
                                        : signingKey(options_.publicKey));
  OPENSSL_cleanse(options_.privateKey.data(), options_.privateKey.size());
  options_.privateKey.clear();
  if (!key_ || X509_check_private_key(leaf_.get(), key_.get()) != 1)
    return error = firstError("the identity's private key does not fit its certificate"), false;
  SSL* trial = SSL_new(ctx_);
  const bool usable = trial && SSL_use_certificate(trial, leaf_.get()) == 1 && SSL_use_PrivateKey(trial, key_.get()) == 1;
  SSL_free(trial);
  return usable || (error = firstError("the identity's certificate cannot be used"), false);
}

// Whether a ClientHello (§4.2.1) has a cookie: behind the headers come version, random, session id.
static bool bringsCookie(const Bytes& datagram) {
  constexpr size_t sessionId = 25 + 2 + 32;
  if (datagram.size() <= sessionId) return false;
  const size_t cookie = sessionId + 1 + datagram[sessionId];
  return datagram.size() > cookie && datagram[cookie] > 0;
}

// ---- the cookie exchange (RFC 6347 §4.2.1) ---------------------------------------------------------------------------

std::unique_ptr<Session> Context::listen(const std::string& peer, const Bytes& datagram, int64_t now, Bytes& reply) {
  // Cheap and first: only an unfragmented ClientHello in epoch 0 can be answered without state.
  if (datagram.size() < 25 || datagram[0] != 22 || datagram[1] != 0xfe || datagram[3] != 0 || datagram[4] != 0 ||
      datagram[13] != 1 || memcmp(&datagram[14], &datagram[22], 3) != 0)
    return nullptr;
  // With a cookie it is the second of its handshake (§4.2.2: message_seq 1). OpenSSL takes any number and would then wait for
  // another hello in the accepted session, which a forged one could be.
  if (bringsCookie(datagram) && (datagram[17] != 0 || datagram[18] != 1)) return nullptr;
  rotateCookieKeys(now);
  if (!listener_) listener_ = std::make_unique<Session>(*this);
  listenPeer_ = peer;
  ERR_clear_error();
  listener_->feedListener(datagram);
  BIO_ADDR* unused = BIO_ADDR_new();
  const int result = DTLSv1_listen(listener_->ssl(), unused);
  BIO_ADDR_free(unused);
  ERR_clear_error();
  if (result == 1) {
    listener_->items.clear();
    listener_->begin(shared_from_this(), now);
    return std::move(listener_);
  }
  for (auto& item : listener_->items)
    if (item.kind == ItemKind::output) reply = std::move(item.bytes);
  listener_->items.clear();
  return nullptr;
}

void Context::rotateCookieKeys(int64_t now) {
  const int64_t age = now - cookieKeyTime_;
  if (haveCookieKeys_ && age >= 0 && age < options_.cookieKey) return;
  // The old one stays good for one more period, unless that is over already.
  if (haveCookieKeys_ && age >= 0 && age < 2 * options_.cookieKey) memcpy(cookieKeys_[1], cookieKeys_[0], sizeof cookieKeys_[0]);
  else RAND_bytes(cookieKeys_[1], sizeof cookieKeys_[1]);
  RAND_bytes(cookieKeys_[0], sizeof cookieKeys_[0]);
  cookieKeyTime_ = now;
  haveCookieKeys_ = true;
}

bool Context::cookieFor(const uint8_t* key, uint8_t* cookie) const {
  unsigned int size = 0;
  return HMAC(EVP_sha256(), key, sizeof cookieKeys_[0], reinterpret_cast<const uint8_t*>(listenPeer_.data()),
              listenPeer_.size(), cookie, &size) != nullptr;
}

int Context::makeCookie(SSL* ssl, unsigned char* cookie, unsigned int* size) {
  // A cookie is for the peer that `listen` looks at; an accepted session, maybe on a pool thread, has no business with one.
  if (Session::of(ssl)->begun()) return 0;
  const Context& context = Session::of(ssl)->context();
  *size = cookieSize;
  return context.cookieFor(context.cookieKeys_[0], cookie) ? 1 : 0;
}

int Context::checkCookie(SSL* ssl, const unsigned char* cookie, unsigned int size) {
  const Session* session = Session::of(ssl);
  // The state machine asks again when it processes the ClientHello, maybe on a pool thread: `listen` has the answer.
  if (session->begun()) return 1;
  const Context& context = session->context();
  uint8_t expected[cookieSize];
  for (const auto& key : context.cookieKeys_)
    if (size == cookieSize && context.cookieFor(key, expected) && CRYPTO_memcmp(expected, cookie, cookieSize) == 0) return 1;
  return 0;
}
