// Private keys that stay where they are, in hardware for instance: OpenSSL has JavaScript make their signatures.
#pragma once
#include <node_api.h>
#include <openssl/evp.h>

#include <string>

#include "trust.h"

// An EC key of which only the public half (SubjectPublicKeyInfo) is here; null when it is not one. It signs during a
// SigningTurn alone: never on a pool thread.
EVP_PKEY* signingKey(const Bytes& publicKey);

// Lends `sign(digest)`, a function or undefined, to the keys that this thread uses while the turn lasts. It gives the
// signature as DER, or a text that says why there is none. Nothing of it is kept, so nothing of it can leak.
class SigningTurn {
 public:
  SigningTurn(napi_env env, napi_value sign);
  ~SigningTurn();
  // Why a signature could not be made; empty when none was missed.
  const std::string& failure() const { return failure_; }

  // For the key: the signature in `out`, its size as the result; 0: none.
  static size_t sign(const Bytes& digest, uint8_t* out, size_t room);

  SigningTurn(const SigningTurn&) = delete;
  SigningTurn& operator=(const SigningTurn&) = delete;

 private:
  size_t callBack(const Bytes& digest, uint8_t* out, size_t room);

  napi_env env_;
  napi_value sign_;
  SigningTurn* outer_;
  std::string failure_;
};
