// Settings and keys that many sessions share: an SSL_CTX, the trust, and for DTLS servers the cookie exchange.
#pragma once
#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <vector>

#include "trust.h"

class Session;

struct ContextOptions {
  bool datagram = false;
  bool server = false;
  bool requireCertificate = true;
  bool simulatedClock = false;
  bool pskLookup = false;
  int minVersion = 0;  // 12 or 13
  int maxVersion = 0;
  std::vector<Bytes> chain;
  Bytes privateKey;  // PKCS#8; empty when it stays elsewhere, see signing-key.h
  Bytes publicKey;   // SubjectPublicKeyInfo of such a one
  std::string ciphers, groups, signatureAlgorithms, alpn;
  Bytes pskIdentity, pskKey;  // client
  std::shared_ptr<const Trust> trust;
  size_t mtu = 0, recordBytes = 0, chainBytes = 0, pskIdentityBytes = 0;
  unsigned keyUpdates = 0;
  unsigned flightTimeout = 0, flightTimeoutMax = 0;  // ms
  int64_t cookieKey = 0;                             // ms
};

class Context : public std::enable_shared_from_this<Context> {
 public:
  // Null, with the reason in `error`, when the settings do not work.
  static std::shared_ptr<Context> create(ContextOptions options, std::string& error);
  ~Context();
  SSL* newSsl() const;
  const ContextOptions& options() const { return options_; }

  // RFC 6347 §4.2.1. A session when the cookie was right, else what to send back in `reply` (or nothing).
  std::unique_ptr<Session> listen(const std::string& peer, const Bytes& datagram, int64_t now, Bytes& reply);

  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

 private:
  Context() = default;
  bool configure(std::string& error);
  bool configureIdentity(std::string& error);
  SSL_CTX* sharedCtx(std::string& error);
  void rotateCookieKeys(int64_t now);
  static int makeCookie(SSL* ssl, unsigned char* cookie, unsigned int* size);
  static int checkCookie(SSL* ssl, const unsigned char* cookie, unsigned int size);
  bool cookieFor(const uint8_t* key, uint8_t* cookie) const;

  ContextOptions options_;
  SSL_CTX* ctx_ = nullptr;
  // What sessions show of themselves.
  X509Ptr leaf_;
  std::vector<X509Ptr> issuers_;
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_{nullptr, EVP_PKEY_free};
  // The one session that answers first contacts; it becomes the peer's when its cookie is right.
  std::unique_ptr<Session> listener_;
  std::string listenPeer_;
  int64_t cookieKeyTime_ = 0;
  bool haveCookieKeys_ = false;
  uint8_t cookieKeys_[2][32];
};
