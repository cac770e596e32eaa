#include "trust.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "path-codes.h"

namespace {

constexpr int maxDepth = 10;
// OpenSSL's level 2: 112 bits, so RSA from 2048 and no SHA-1 or MD5. Judged here and not by the SSL_CTX, whose level must
// be 0 for the CCM8 suites.
constexpr int authLevel = 2;

struct PathCode {
  int code;
  const char* name;
};
#define CODE(name) {X509_V_ERR_##name, #name},
constexpr PathCode pathCodes[] = {PATH_CODES(CODE)};
#undef CODE

std::optional<int> pathCode(const std::string& name) {
  for (const auto& entry : pathCodes)
    if (name == entry.name) return entry.code;
  return std::nullopt;
}

template <typename T>
T* parseWhole(const Bytes& der, T* (*parse)(T**, const unsigned char**, long), void (*release)(T*)) {
  const unsigned char* at = der.data();
  T* parsed = parse(nullptr, &at, static_cast<long>(der.size()));
  if (parsed && at != der.data() + der.size()) {
    release(parsed);
    parsed = nullptr;
  }
  ERR_clear_error();
  return parsed;
}

// OCF Security §9.4.2: the identity certificate EKU. Device certificates with nothing else in it are in the field.
bool isOcfOnly(X509* certificate) {
  static const ASN1_OBJECT* ocf = OBJ_txt2obj("1.3.6.1.4.1.44924.1.6", 1);
  if (X509_get_extension_flags(certificate) & EXFLAG_INVALID) return false;
  const uint32_t tls = XKU_SSL_CLIENT | XKU_SSL_SERVER | XKU_ANYEKU;
  if (X509_get_extended_key_usage(certificate) & tls) return false;  // all bits are set when there is no EKU
  if (!(X509_get_key_usage(certificate) & (KU_DIGITAL_SIGNATURE | KU_KEY_AGREEMENT))) return false;
  auto* usages = static_cast<EXTENDED_KEY_USAGE*>(X509_get_ext_d2i(certificate, NID_ext_key_usage, nullptr, nullptr));
  bool found = false;
  for (int i = 0; i < sk_ASN1_OBJECT_num(usages); i++)
    if (OBJ_cmp(sk_ASN1_OBJECT_value(usages, i), ocf) == 0) found = true;
  sk_ASN1_OBJECT_pop_free(usages, ASN1_OBJECT_free);
  return found;
}

// OpenSSL's level knows bits only; of the curves we want the NIST ones and Edwards, as devices and CAs here have them.
bool isKeyAllowed(X509* certificate) {
  EVP_PKEY* key = X509_get0_pubkey(certificate);
  if (!key) return false;
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS:
    case EVP_PKEY_ED25519:
    case EVP_PKEY_ED448:
      return true;
    case EVP_PKEY_EC: {
      char group[32] = "";
      if (!EVP_PKEY_get_group_name(key, group, sizeof group, nullptr)) return false;
      return !strcmp(group, SN_X9_62_prime256v1) || !strcmp(group, SN_secp384r1) || !strcmp(group, SN_secp521r1);
    }
    default:
      return false;
  }
}

Bytes octets(const ASN1_OCTET_STRING* string) {
  const uint8_t* data = ASN1_STRING_get0_data(string);
  return Bytes(data, data + ASN1_STRING_length(string));
}

Bytes keyIdentifier(X509_CRL* crl) {
  auto* authority = static_cast<AUTHORITY_KEYID*>(X509_CRL_get_ext_d2i(crl, NID_authority_key_identifier, nullptr, nullptr));
  const Bytes keyId = authority && authority->keyid ? octets(authority->keyid) : Bytes();
  AUTHORITY_KEYID_free(authority);
  return keyId;
}

void record(PathReport& report, int depth, int code, X509* certificate) {
  for (const auto& known : report.findings)
    if (known.depth == depth && known.code == code) return;
  report.findings.push_back({depth, code, certificate ? encodeCertificate(certificate) : Bytes()});
}

}  // namespace

X509Ptr parseCertificate(const Bytes& der) { return X509Ptr(parseWhole(der, d2i_X509, X509_free)); }

Bytes encodeCertificate(X509* certificate) {
  Bytes der(static_cast<size_t>(std::max(0, i2d_X509(certificate, nullptr))));
  unsigned char* at = der.data();
  if (!der.empty()) i2d_X509(certificate, &at);
  return der;
}

std::string pathCodeName(int code) {
  for (const auto& entry : pathCodes)
    if (entry.code == code) return entry.name;
  return "CODE_" + std::to_string(code);
}

std::shared_ptr<const Trust> Trust::create(const TrustOptions& options, std::string& error) {
  std::shared_ptr<Trust> trust(new Trust());
  trust->store_ = X509_STORE_new();
  trust->intermediates_ = sk_X509_new_null();
  trust->fingerprints_ = options.fingerprints;
  trust->pins_ = {options.pins.begin(), options.pins.end()};
  trust->ignoreDates_ = options.ignoreDates;
  trust->purpose_ = options.purpose;
  const auto malformed = [&](const char* what, size_t index) {
    error = std::string(what) + " " + std::to_string(index + 1) + " is not DER of one";
    return nullptr;
  };
  for (size_t i = 0; i < options.anchors.size(); i++) {
    X509Ptr anchor = parseCertificate(options.anchors[i]);
    if (!anchor) return malformed("trust anchor", i);
    X509_STORE_add_cert(trust->store_, anchor.get());
  }
  for (size_t i = 0; i < options.intermediates.size(); i++) {
    X509Ptr intermediate = parseCertificate(options.intermediates[i]);
    if (!intermediate) return malformed("intermediate certificate", i);
    sk_X509_push(trust->intermediates_, intermediate.release());
  }
  for (size_t i = 0; i < options.crls.size(); i++) {
    X509_CRL* crl = parseWhole(options.crls[i], d2i_X509_CRL, X509_CRL_free);
    if (!crl) return malformed("revocation list", i);
    X509_STORE_add_crl(trust->store_, crl);
    trust->crlIssuers_.push_back({X509_NAME_dup(X509_CRL_get_issuer(crl)), keyIdentifier(crl)});
    X509_CRL_free(crl);
  }
  for (const auto& [names, codes] : {std::pair{&options.tolerate, &trust->tolerated_},
                                     std::pair{&options.toleratePinned, &trust->toleratedPinned_}}) {
    for (const auto& name : *names) {
      const auto code = pathCode(name);
      if (!code) {
        error = "unknown path error code \"" + name + "\" in tolerate";
        return nullptr;
      }
      codes->push_back(*code);
    }
  }
  ERR_clear_error();
  return trust;
}

Trust::~Trust() {
  for (const auto& issuer : crlIssuers_) X509_NAME_free(issuer.name);
  sk_X509_pop_free(intermediates_, X509_free);
  X509_STORE_free(store_);
}

struct Trust::Check {
  const Trust* trust;
  PathReport report;
};

PathReport Trust::verify(STACK_OF(X509) * presented, int64_t at) const {
  Check check{this, {}};
  PathReport& report = check.report;
  for (int i = 0; i < sk_X509_num(presented); i++)
    report.presented.push_back(encodeCertificate(sk_X509_value(presented, i)));

  STACK_OF(X509)* untrusted = sk_X509_dup(presented);
  for (int i = 0; i < sk_X509_num(intermediates_); i++) sk_X509_push(untrusted, sk_X509_value(intermediates_, i));
  X509_STORE_CTX* context = X509_STORE_CTX_new();
  X509_STORE_CTX_init(context, store_, sk_X509_value(presented, 0), untrusted);
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context);
  // Every configured anchor is one, self-signed or not (RFC 5280 §6.1.1 d): hence PARTIAL_CHAIN.
  unsigned long flags = X509_V_FLAG_X509_STRICT | X509_V_FLAG_PARTIAL_CHAIN;
  if (!crlIssuers_.empty()) flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
  if (ignoreDates_) flags |= X509_V_FLAG_NO_CHECK_TIME;
  else X509_VERIFY_PARAM_set_time(parameters, static_cast<time_t>(at / 1000));
  X509_VERIFY_PARAM_set_flags(parameters, flags);
  X509_VERIFY_PARAM_set_depth(parameters, maxDepth);
  X509_VERIFY_PARAM_set_auth_level(parameters, authLevel);
  if (purpose_ != Purpose::any)
    X509_VERIFY_PARAM_set_purpose(
        parameters, purpose_ == Purpose::client ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER);
  X509_STORE_CTX_set_app_data(context, &check);
  X509_STORE_CTX_set_verify_cb(context, onFinding);

  const int verdict = X509_verify_cert(context);
  STACK_OF(X509)* path = X509_STORE_CTX_get0_chain(context);
  for (int i = 0; i < sk_X509_num(path); i++) {
    X509* certificate = sk_X509_value(path, i);
    report.path.push_back(encodeCertificate(certificate));
    const int weak = i == 0 ? X509_V_ERR_EE_KEY_TOO_SMALL : X509_V_ERR_CA_KEY_TOO_SMALL;
    if (!isKeyAllowed(certificate)) record(report, i, weak, certificate);
  }
  // The callback lets everything pass, so a failure that it did not see is OpenSSL's own (memory, a chain it cannot hold).
  if (verdict <= 0 && report.findings.empty()) {
    const int code = X509_STORE_CTX_get_error(context);
    record(report, 0, code == X509_V_OK ? X509_V_ERR_UNSPECIFIED : code, sk_X509_value(presented, 0));
  }
  X509_STORE_CTX_free(context);
  sk_X509_free(untrusted);
  // What was found is in the report; left in the queue it would pass for a fault of the handshake that goes on.
  ERR_clear_error();

  const auto among = [](const std::vector<int>& codes, int code) {
    return std::find(codes.begin(), codes.end(), code) != codes.end();
  };
  const bool pinned = !report.findings.empty() && isPinned(sk_X509_value(presented, 0));
  for (const auto& finding : report.findings) {
    if (among(tolerated_, finding.code) || (pinned && among(toleratedPinned_, finding.code))) continue;
    report.accepted = fingerprintMatches(report);
    report.decisive = finding.code;
    break;
  }
  return report;
}

int Trust::onFinding(int ok, X509_STORE_CTX* context) {
  if (ok) return 1;
  auto* check = static_cast<Check*>(X509_STORE_CTX_get_app_data(context));
  const int code = X509_STORE_CTX_get_error(context);
  const int depth = X509_STORE_CTX_get_error_depth(context);
  X509* certificate = X509_STORE_CTX_get_current_cert(context);
  if (!certificate) certificate = sk_X509_value(X509_STORE_CTX_get0_chain(context), depth);
  if (!check->trust->excused(code, depth, certificate)) record(check->report, depth, code, certificate);
  return 1;
}

// Findings that the settings rule out before any policy sees them.
bool Trust::excused(int code, int depth, X509* certificate) const {
  if (!certificate) return false;
  if (code == X509_V_ERR_INVALID_PURPOSE) return depth == 0 && isOcfOnly(certificate);
  // Only an issuer whose list was supplied is held to it.
  if (code == X509_V_ERR_UNABLE_TO_GET_CRL) return !hasCrlFor(certificate);
  return false;
}

// Names are not unique among manufacturers: where both sides name the issuer's key, that decides (RFC 5280 §5.2.1).
bool Trust::hasCrlFor(X509* certificate) const {
  const ASN1_OCTET_STRING* keyId = X509_get0_authority_key_id(certificate);
  return std::any_of(crlIssuers_.begin(), crlIssuers_.end(), [&](const CrlIssuer& issuer) {
    if (X509_NAME_cmp(issuer.name, X509_get_issuer_name(certificate)) != 0) return false;
    return !keyId || issuer.keyId.empty() || issuer.keyId == octets(keyId);
  });
}

bool Trust::isPinned(X509* leaf) const {
  if (pins_.empty()) return false;
  unsigned char* der = nullptr;
  const int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &der);
  if (length <= 0) return false;
  Bytes digest(32);
  const bool hashed = EVP_Digest(der, static_cast<size_t>(length), digest.data(), nullptr, EVP_sha256(), nullptr) == 1;
  OPENSSL_free(der);
  return hashed && pins_.count(digest) > 0;
}

bool Trust::fingerprintMatches(const PathReport& report) const {
  for (const auto& der : report.presented) {
    for (const auto& wanted : fingerprints_) {
      const EVP_MD* digest = wanted.size() == 48 ? EVP_sha384() : EVP_sha256();
      uint8_t actual[EVP_MAX_MD_SIZE];
      unsigned int size = 0;
      if (!EVP_Digest(der.data(), der.size(), actual, &size, digest, nullptr)) continue;
      if (size == wanted.size() && memcmp(actual, wanted.data(), size) == 0) return true;
    }
  }
  return false;
}
