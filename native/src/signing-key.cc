// EC_KEY_METHOD is deprecated, but the other way is a whole provider. A key whose method is not OpenSSL's own is never
// exported to a provider (EVP_PKEY.foreign), so it is this method that signs.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "signing-key.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include <cstring>

#include "values.h"

namespace {

thread_local SigningTurn* currentTurn = nullptr;

int signDigest(int, const unsigned char* digest, int size, unsigned char* out, unsigned int* outSize, const BIGNUM*,
               const BIGNUM*, EC_KEY* key) {
  const auto room = static_cast<size_t>(ECDSA_size(key));
  *outSize = static_cast<unsigned int>(out ? SigningTurn::sign(Bytes(digest, digest + size), out, room) : room);
  return *outSize > 0;
}

const EC_KEY_METHOD* keyMethod() {
  static const EC_KEY_METHOD* const method = [] {
    EC_KEY_METHOD* made = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
    EC_KEY_METHOD_set_sign(made, signDigest, nullptr, nullptr);
    return made;
  }();
  return method;
}

}  // namespace

EVP_PKEY* signingKey(const Bytes& publicKey) {
  const unsigned char* at = publicKey.data();
  EC_KEY* key = d2i_EC_PUBKEY(nullptr, &at, static_cast<long>(publicKey.size()));
  EVP_PKEY* result = key && EC_KEY_set_method(key, keyMethod()) == 1 ? EVP_PKEY_new() : nullptr;
  // Sets the method first: whether a key is foreign is looked up when it is put in.
  if (result) EVP_PKEY_set1_EC_KEY(result, key);
  EC_KEY_free(key);
  return result;
}

SigningTurn::SigningTurn(napi_env env, napi_value sign) : env_(env), sign_(sign), outer_(currentTurn) { currentTurn = this; }

SigningTurn::~SigningTurn() { currentTurn = outer_; }

size_t SigningTurn::sign(const Bytes& digest, uint8_t* out, size_t room) {
  return currentTurn ? currentTurn->callBack(digest, out, room) : 0;
}

size_t SigningTurn::callBack(const Bytes& digest, uint8_t* out, size_t room) {
  napi_value argument = fromBytes(env_, digest), result = undefined(env_);
  const napi_status status = napi_call_function(env_, undefined(env_), sign_, 1, &argument, &result);
  bool thrown = false;
  if (napi_is_exception_pending(env_, &thrown) == napi_ok && thrown) napi_get_and_clear_last_exception(env_, &result);
  const uint8_t* data = nullptr;
  size_t size = 0;
  // JavaScript may have worked with OpenSSL as well.
  ERR_clear_error();
  if (status == napi_ok && readBytes(env_, result, &data, &size) && size > 0 && size <= room) {
    memcpy(out, data, size);
    return size;
  }
  failure_ = status == napi_ok ? toText(env_, result) : "";
  if (failure_.empty()) failure_ = "no signature came from the private key";
  return 0;
}
