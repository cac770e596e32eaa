// Pre-shared keys (RFC 4279, RFC 5489).
// OpenSSL's callback is synchronous and hands out a C string. The ClientKeyExchange comes in clear, so it is read ahead:
// the key can be looked up elsewhere, and an identity may hold zero bytes (OCF's are 16 raw bytes).
#include <openssl/objects.h>

#include <cstring>

#include "record.h"
#include "session.h"

bool Session::awaitsPsk() const { return server_ && context_.options().pskLookup && !pskSettled_ && state_ == State::handshaking; }

bool Session::pskSuitePending() const {
  const SSL_CIPHER* cipher = SSL_get_pending_cipher(ssl_);
  return cipher && SSL_CIPHER_get_auth_nid(cipher) == NID_auth_psk;
}

// RFC 6347 §4.1, §4.2.2: walks the records of a datagram and the messages in them. A fragmented ClientKeyExchange is not
// looked into: with identities this short no client sends one.
void Session::findPskIdentity(const Bytes& datagram) {
  for (size_t at = 0; at + 13 <= datagram.size();) {
    const uint8_t* record = datagram.data() + at;
    const size_t size = read16(record + 11);
    at += 13 + size;
    if (at > datagram.size()) return;
    if (record[0] != recordHandshake || read16(record + 3) != 0) continue;
    for (size_t in = 0; in + 12 <= size;) {
      const uint8_t* message = record + 13 + in;
      const size_t fragment = read24(message + 9);
      in += 12 + fragment;
      if (in > size) return;
      if (message[0] == messageClientKeyExchange && fragment == read24(message + 1)) {
        askForPsk(message + 12, fragment);
        return;
      }
    }
  }
}

// RFC 4279 §2 and RFC 5489 §2: the message starts with psk_identity<0..2^16-1>.
void Session::askForPsk(const uint8_t* message, size_t size) {
  const size_t length = size >= 2 ? read16(message) : 0;
  if (size < 2 || length > size - 2 || length > context_.options().pskIdentityBytes) {
    pskSettled_ = true;  // no key: OpenSSL refuses it
    return;
  }
  pskIdentity.assign(message + 2, message + 2 + length);
  items.push_back({ItemKind::psk, 0, pskIdentity});
  state_ = State::pausedForPsk;
}

void Session::providePsk(const Bytes* key) {
  if (state_ != State::pausedForPsk) return;
  if (key) pskKey_ = *key;
  keyExchange_ = {};
  pskSettled_ = true;
  state_ = State::handshaking;
}

unsigned Session::onServerPsk(SSL* ssl, const char*, unsigned char* key, unsigned maxKey) {
  const Bytes& known = of(ssl)->pskKey_;
  if (known.empty() || known.size() > maxKey) return 0;
  memcpy(key, known.data(), known.size());
  return static_cast<unsigned>(known.size());
}

unsigned Session::onClientPsk(SSL* ssl, const char*, char* identity, unsigned maxIdentity, unsigned char* key, unsigned maxKey) {
  const ContextOptions& options = of(ssl)->context_.options();
  if (options.pskIdentity.size() >= maxIdentity || options.pskKey.size() > maxKey) return 0;
  memcpy(identity, options.pskIdentity.data(), options.pskIdentity.size());
  identity[options.pskIdentity.size()] = 0;
  memcpy(key, options.pskKey.data(), options.pskKey.size());
  return static_cast<unsigned>(options.pskKey.size());
}
