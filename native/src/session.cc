#include "session.h"

#include <dlfcn.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509_vfy.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "record.h"

namespace {

std::atomic<int> liveSessions{0};

constexpr size_t maxRecord = 16384 + 2048;
constexpr size_t maxWaiting = 128;  // datagrams, more than the largest flight in the smallest pieces

// OpenSSL sends a flight again only when its own timer, which runs on the real clock, has expired. In simulated time it is
// told to by the function that it would then call: internal, but node exports it with the rest of OpenSSL.
using SendFlightAgain = int (*)(SSL*);
SendFlightAgain sendFlightAgain() {
  static const auto found = reinterpret_cast<SendFlightAgain>(dlsym(RTLD_DEFAULT, "dtls1_retransmit_buffered_messages"));
  return found;
}

// OpenSSL's flight timer in simulated time, µs of real time. Long enough that it never expires; where the function is
// missing, short enough to wait for: OpenSSL takes less than 15 ms left for expired.
unsigned simulatedFlight() { return sendFlightAgain() ? 3'600'000'000u : 25'000u; }
// In real time it must have expired when our own schedule, which is as long, comes round.
constexpr unsigned flightHeadStart = 5'000;

// The most telling reason of what this thread's queue holds: the first of the TLS layer, else the first of all.
std::string drainErrors() {
  unsigned long chosen = 0;
  while (const unsigned long code = ERR_get_error()) {
    const bool tls = ERR_GET_LIB(code) == ERR_LIB_SSL;
    if (!chosen || (tls && ERR_GET_LIB(chosen) != ERR_LIB_SSL)) chosen = code;
  }
  const char* reason = chosen ? ERR_reason_error_string(chosen) : nullptr;
  return reason ? reason : "protocol error";
}

Bytes extension(SSL* ssl, unsigned type) {
  const unsigned char* data = nullptr;
  size_t size = 0;
  if (!SSL_client_hello_get0_ext(ssl, type, &data, &size)) return {};
  return Bytes(data, data + size);
}

}  // namespace

Session::Session(Context& context)
    : context_(context), ssl_(context.newSsl()), datagram_(context.options().datagram), server_(context.options().server) {
  BIO* bio = BIO_new(bioMethod());
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_app_data(ssl_, this);
  if (server_) SSL_set_accept_state(ssl_);
  else SSL_set_connect_state(ssl_);
  if (datagram_) {
    // OpenSSL before 3.2 packs flights up to 6 bytes over the MTU set.
    SSL_set_mtu(ssl_, static_cast<long>(context.options().mtu) - (OpenSSL_version_num() < 0x30200000L ? 8 : 0));
    DTLS_set_timer_cb(ssl_, onTimer);
    // A step of the state machine: what is written from here on is no spurious retransmission (see onTimer).
    if (context.options().simulatedClock) SSL_set_info_callback(ssl_, [](const SSL* ssl, int, int) { of(ssl)->muted_ = false; });
  }
}

Session::~Session() {
  SSL_free(ssl_);
  if (begun()) liveSessions--;
  OPENSSL_cleanse(pskKey_.data(), pskKey_.size());
}

void Session::begin(std::shared_ptr<Context> context, int64_t now) {
  keepContext_ = std::move(context);
  now_ = now;
  liveSessions++;
}

void Session::setServerName(const std::string& name) { SSL_set_tlsext_host_name(ssl_, name.c_str()); }

int Session::liveCount() { return liveSessions; }

Session* Session::of(const SSL* ssl) { return static_cast<Session*>(SSL_get_app_data(ssl)); }

void Session::feed(const uint8_t* data, size_t size) {
  if (size == 0) return;
  if (datagram_) {
    // A network may lose datagrams, and so may we: what waits has a bound in every state.
    if (datagrams_.size() - next_ < maxWaiting) datagrams_.emplace_back(data, data + size);
    return;
  }
  if (readAt_ > 0) {
    stream_.erase(stream_.begin(), stream_.begin() + static_cast<ptrdiff_t>(readAt_));
    readableTo_ -= readAt_;
    readAt_ = 0;
  }
  stream_.insert(stream_.end(), data, data + size);
}

void Session::feedListener(const Bytes& datagram) {
  offered_ = datagram;
  hasOffered_ = true;
  helloSequence_ = read48(datagram.data() + 5);
}

void Session::run(size_t budget) {
  ERR_clear_error();
  more_ = muted_ = false;
  while (state_ == State::handshaking) {
    if (!offerInput() && started_) break;
    started_ = true;
    const uint64_t before = reads_;
    advanceHandshake();
    if (reads_ == before) break;
  }
  if (state_ == State::open && budget > 0) readRecords(budget);
  dropRead();
  if (state_ == State::open) trim();
  ERR_clear_error();
}

// Before the handshake is through, too: whoever is talking to us has proved nothing yet.
void Session::dropRead() {
  if (next_ < datagrams_.size()) return;
  next_ = 0;
  datagrams_ = {};
}

void Session::advanceHandshake() {
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) established();
  else if (SSL_get_error(ssl_, result) != SSL_ERROR_WANT_READ) fail();
}

void Session::established() {
  state_ = State::open;
  items.push_back({ItemKind::established, 0, {}});
}

void Session::readRecords(size_t budget) {
  thread_local static uint8_t plain[SSL3_RT_MAX_PLAIN_LENGTH];
  constexpr size_t overhead = 64;  // what holding even an empty message costs
  size_t taken = 0;
  while (taken < budget) {
    offerInput();
    const uint64_t before = reads_;
    const int size = SSL_read(ssl_, plain, sizeof plain);
    if (size > 0) {
      items.push_back({ItemKind::message, 0, Bytes(plain, plain + size)});
      taken += static_cast<size_t>(size) + overhead;
      continue;
    }
    switch (SSL_get_error(ssl_, size)) {
      case SSL_ERROR_WANT_READ:
        if (reads_ == before) return;
        break;
      case SSL_ERROR_ZERO_RETURN:
        state_ = State::peerClosed;
        items.push_back({ItemKind::peerClosed, 0, {}});
        return;
      default:
        fail();
        return;
    }
  }
  more_ = true;
}

void Session::fail() {
  error = sawTooManyKeyUpdates() ? "too many key updates" : drainErrors();
  ERR_clear_error();
  state_ = State::failed;
  items.push_back({ItemKind::failed, 0, {}});
}

// Idle sessions are what the service has most of: give back what they do not need.
void Session::trim() {
  if (readAt_ == stream_.size()) {
    readAt_ = readableTo_ = 0;
    stream_ = {};
  }
  if (datagram_ && !more_) SSL_free_buffers(ssl_);
}

// ---- input -----------------------------------------------------------------------------------------------------------

// Makes the next unit readable for OpenSSL. False: nothing is left, or a PSK must be looked up first.
bool Session::offerInput() {
  if (state_ == State::pausedForPsk) return false;
  return datagram_ ? offerDatagram() : offerRecords();
}

bool Session::offerDatagram() {
  if (hasOffered_) return true;
  while (next_ < datagrams_.size() && !keepPossibleRecords(datagrams_[next_])) datagrams_[next_++] = Bytes();
  if (next_ == datagrams_.size()) return false;
  if (awaitsPsk() && pskSuitePending()) {
    findPskIdentity(datagrams_[next_]);
    if (state_ == State::pausedForPsk) return false;
  }
  offered_ = std::move(datagrams_[next_++]);
  hasOffered_ = true;
  return true;
}

// RFC 6347 §4.1.2.7: what cannot be a record of this session is dropped silently. OpenSSL does otherwise in one case: a
// protected record too short for its nonce and tag ends the session with internal_error, so that whoever can forge a
// sender's address could end sessions. Behind a header it discards (wrong version, length beyond the datagram) it goes on
// reading in the middle of that record, where such a one may be hidden: nothing behind such a header is kept.
bool Session::keepPossibleRecords(Bytes& datagram) const {
  const size_t smallest = smallestProtectedRecord();
  const bool versionChosen = smallest != SIZE_MAX;
  size_t at = 0;
  while (at + 13 <= datagram.size()) {
    const size_t size = read16(&datagram[at + 11]), end = at + 13 + size;
    if (end > datagram.size() || size > maxRecord) break;
    if (versionChosen && read16(&datagram[at + 1]) != DTLS1_2_VERSION) break;
    const bool dropped = read16(&datagram[at + 3]) != 0 && size < smallest;
    if (dropped) datagram.erase(datagram.begin() + static_cast<ptrdiff_t>(at), datagram.begin() + static_cast<ptrdiff_t>(end));
    else at = end;
  }
  datagram.resize(at);
  return at > 0;
}

// Explicit nonce and tag of the AEAD suites (RFC 5288 §3, RFC 6655 §3 and §4); CBC's length is checked by OpenSSL. Before
// the suite is chosen nothing can be protected yet.
size_t Session::smallestProtectedRecord() const {
  const SSL_CIPHER* current = SSL_get_current_cipher(ssl_);
  const SSL_CIPHER* cipher = current ? current : SSL_get_pending_cipher(ssl_);
  if (!cipher) return SIZE_MAX;
  if (!SSL_CIPHER_is_aead(cipher)) return 0;
  return strstr(SSL_CIPHER_get_name(cipher), "CCM8") ? 8 + 8 : 8 + 16;
}

bool Session::offerRecords() {
  const size_t waiting = stream_.size() - readableTo_;
  if (!awaitsPsk()) {
    readableTo_ = stream_.size();
    return readAt_ < readableTo_;
  }
  // Record by record (RFC 5246 §6.2.1), so that a ClientKeyExchange is seen whole before OpenSSL gets its last piece.
  const uint8_t* header = stream_.data() + readableTo_;
  if (waiting < 5) return false;
  const size_t size = read16(header + 3);
  if (header[0] < 20 || header[0] > recordLast || size > maxRecord) {
    pskSettled_ = true;  // not TLS: OpenSSL shall say what it is
    return offerRecords();
  }
  if (waiting < 5 + size) return false;
  if (SSL_get_pending_cipher(ssl_) && !pskSuitePending()) {
    pskSettled_ = true;
  } else if (header[0] == recordHandshake && pskSuitePending()) {
    keyExchange_.insert(keyExchange_.end(), header + 5, header + 5 + size);
    if (keyExchange_.size() >= 4) {
      const size_t length = read24(keyExchange_.data() + 1);
      if (keyExchange_[0] != messageClientKeyExchange || length > maxRecord) pskSettled_ = true;
      else if (keyExchange_.size() >= 4 + length) askForPsk(keyExchange_.data() + 4, length);
    }
    if (state_ == State::pausedForPsk) return false;
  }
  readableTo_ += 5 + size;
  return true;
}

// ---- output and timers -----------------------------------------------------------------------------------------------

bool Session::send(const uint8_t* data, size_t size) {
  if (size == 0 || (state_ != State::open && state_ != State::peerClosed)) return false;
  ERR_clear_error();
  const int written = SSL_write(ssl_, data, static_cast<int>(size));
  if (written <= 0) fail();
  else if (state_ == State::open) trim();
  ERR_clear_error();
  return written > 0;
}

void Session::shutdown() {
  if (state_ != State::open && state_ != State::peerClosed) return;
  ERR_clear_error();
  SSL_shutdown(ssl_);
  ERR_clear_error();
}

int Session::flightRemaining() const {
  timeval left{};
  if (!datagram_ || state_ == State::failed || !DTLSv1_get_timeout(ssl_, &left)) return -1;
  return static_cast<int>(left.tv_sec * 1000 + (left.tv_usec + 999) / 1000);
}

// RFC 6347 §4.2.4. When is decided outside; but OpenSSL retransmits only when its own timer, on the real clock, has
// expired too (see sendFlightAgain for simulated time).
void Session::retransmit() {
  ERR_clear_error();
  muted_ = false;
  scheduled_ = true;
  const bool simulated = context_.options().simulatedClock;
  if (simulated && sendFlightAgain()) {
    if (flightRemaining() >= 0) {
      onTimer(ssl_, simulatedFlight());
      if (sendFlightAgain()(ssl_) < 0) fail();
    }
  } else {
    for (int waited = 0; simulated && flightRemaining() > 0 && waited < 30; waited++) usleep(1000);
    if (DTLSv1_handle_timeout(ssl_) < 0) fail();
  }
  scheduled_ = false;
  ERR_clear_error();
}

// OpenSSL asks how long to wait: `current` is 0 for a new flight, else it is about to retransmit. It also does that on
// its own while reading, when its timer is over: in real time that counts as ours, in simulated time it is not sent.
unsigned Session::onTimer(SSL* ssl, unsigned current) {
  Session* session = of(ssl);
  const ContextOptions& options = session->context_.options();
  if (current != 0 && options.simulatedClock && !session->scheduled_) {
    session->muted_ = true;
    return simulatedFlight();
  }
  session->timerStarts_++;
  session->flightTimeout_ =
      current == 0 ? options.flightTimeout : std::min(2 * session->flightTimeout_, options.flightTimeoutMax);
  return options.simulatedClock ? simulatedFlight() : session->flightTimeout_ * 1000 - flightHeadStart;
}

// ---- what OpenSSL tells ----------------------------------------------------------------------------------------------

int Session::onVerify(X509_STORE_CTX* context, void*) {
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(context, SSL_get_ex_data_X509_STORE_CTX_idx()));
  Session* session = of(ssl);
  STACK_OF(X509)* presented = X509_STORE_CTX_get0_untrusted(context);
  const Trust* trust = session->context_.options().trust.get();
  if (!trust) {
    for (int i = 0; i < sk_X509_num(presented); i++)
      session->report.presented.push_back(encodeCertificate(sk_X509_value(presented, i)));
    X509_STORE_CTX_set_error(context, X509_V_OK);
    return 1;
  }
  session->report = trust->verify(presented, session->now_);
  // The code chooses the alert (RFC 5246 §7.2.2).
  X509_STORE_CTX_set_error(context, session->report.accepted ? X509_V_OK : session->report.decisive);
  return session->report.accepted ? 1 : 0;
}

int Session::onClientHello(SSL* ssl, int*, void*) {
  Session* session = of(ssl);
  if (session->hello.legacyVersion != 0) return SSL_CLIENT_HELLO_SUCCESS;  // again, after a HelloRetryRequest
  const unsigned char* ciphers = nullptr;
  const size_t size = SSL_client_hello_get0_ciphers(ssl, &ciphers);
  session->hello.legacyVersion = SSL_client_hello_get0_legacy_version(ssl);
  session->hello.ciphers.assign(ciphers, ciphers + size);
  session->hello.serverName = extension(ssl, TLSEXT_TYPE_server_name);
  session->hello.groups = extension(ssl, TLSEXT_TYPE_supported_groups);
  session->hello.signatureAlgorithms = extension(ssl, TLSEXT_TYPE_signature_algorithms);
  session->hello.alpn = extension(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation);
  session->hello.versions = extension(ssl, TLSEXT_TYPE_supported_versions);
  session->items.push_back({ItemKind::hello, 0, {}});
  // A client that has a PSK shows it by its suites, and those exist up to 1.2 only: 1.3 would ignore its key.
  if (session->context_.options().pskLookup && !session->datagram_) {
    for (size_t i = 0; i + 1 < size; i += 2) {
      const SSL_CIPHER* cipher = SSL_CIPHER_find(ssl, ciphers + i);
      if (cipher && SSL_CIPHER_get_auth_nid(cipher) == NID_auth_psk) SSL_set_max_proto_version(ssl, TLS1_2_VERSION);
    }
  }
  return SSL_CLIENT_HELLO_SUCCESS;
}

void Session::onProtocolMessage(int sent, int, int type, const void* data, size_t size, SSL* ssl, void*) {
  Session* session = of(ssl);
  if (!session || !session->begun()) return;
  const auto* bytes = static_cast<const uint8_t*>(data);
  if (type == recordAlert && size == 2)
    session->items.push_back({ItemKind::alert, static_cast<uint32_t>(sent << 16 | bytes[0] << 8 | bytes[1]), {}});
  if (type == recordHandshake && !sent && size > 0 && bytes[0] == messageKeyUpdate) session->keyUpdates_++;
}

bool Session::sawTooManyKeyUpdates() const { return keyUpdates_ > context_.options().keyUpdates; }
