// Certificate path validation (RFC 5280 §6) by OpenSSL, with every finding kept. Used inside handshakes and alone.
#pragma once
#include <openssl/x509.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

using Bytes = std::vector<uint8_t>;

template <typename T, void (*release)(T*)>
struct Releaser {
  void operator()(T* pointer) const { release(pointer); }
};
using X509Ptr = std::unique_ptr<X509, Releaser<X509, X509_free>>;

struct PathFinding {
  int depth;
  int code;  // X509_V_ERR_*
  Bytes certificate;
};

struct PathReport {
  std::vector<Bytes> presented;
  std::vector<Bytes> path;
  std::vector<PathFinding> findings;
  bool accepted = true;
  int decisive = 0;  // the first finding that is not tolerated: it chooses the alert
};

enum class Purpose { any, client, server };

struct TrustOptions {
  // fingerprints: digests of whole certificates; pins: SHA-256 of the leaf's SubjectPublicKeyInfo.
  std::vector<Bytes> anchors, intermediates, crls, fingerprints, pins;
  // toleratePinned: for leaves whose key is pinned, beside `tolerate`.
  std::vector<std::string> tolerate, toleratePinned;
  bool ignoreDates = false;
  Purpose purpose = Purpose::any;
};

// Immutable once made, so pool threads may share it.
class Trust {
 public:
  // Null, with the reason in `error`, when something does not parse.
  static std::shared_ptr<const Trust> create(const TrustOptions& options, std::string& error);
  ~Trust();
  // `presented`: leaf first, as the peer sent it. `at`: ms since the epoch.
  PathReport verify(STACK_OF(X509) * presented, int64_t at) const;

 private:
  struct Check;
  Trust() = default;
  static int onFinding(int ok, X509_STORE_CTX* context);
  bool excused(int code, int depth, X509* certificate) const;
  bool hasCrlFor(X509* certificate) const;
  bool fingerprintMatches(const PathReport& report) const;
  bool isPinned(X509* leaf) const;

  X509_STORE* store_ = nullptr;
  STACK_OF(X509) * intermediates_ = nullptr;
  struct CrlIssuer {
    X509_NAME* name;
    Bytes keyId;
  };
  std::vector<CrlIssuer> crlIssuers_;
  std::vector<Bytes> fingerprints_;
  std::set<Bytes> pins_;
  std::vector<int> tolerated_, toleratedPinned_;
  bool ignoreDates_ = false;
  Purpose purpose_ = Purpose::any;
};

// The whole of `der` as one certificate, or null.
X509Ptr parseCertificate(const Bytes& der);
Bytes encodeCertificate(X509* certificate);
// "CERT_HAS_EXPIRED" for X509_V_ERR_CERT_HAS_EXPIRED.
std::string pathCodeName(int code);
