// One DTLS or TLS session over memory: bytes in, items out. No sockets, no clock but OpenSSL's flight timer.
//
// A session has one owner at a time. While a handshake step runs on a pool thread, nobody else may touch it; addon.cc
// and engine.ts see to that, so there are no locks here.
#pragma once
#include <openssl/bio.h>
#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "context.h"

// What a ClientHello offered, as it came (RFC 8446 §4.1.2): the caller parses it, it is a peer's data.
struct Hello {
  unsigned legacyVersion = 0;
  Bytes ciphers, groups, signatureAlgorithms, serverName, alpn, versions;
};

enum class ItemKind { output = 0, message, alert, hello, psk, established, peerClosed, failed };

struct Item {
  ItemKind kind;
  uint32_t number;  // alert: sent << 16 | level << 8 | description
  Bytes bytes;
};

class Session {
 public:
  enum class State { handshaking = 0, pausedForPsk, open, peerClosed, failed };

  explicit Session(Context& context);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // From here on it is a peer's. Until then (as a context's listener) it only answers first contacts.
  void begin(std::shared_ptr<Context> context, int64_t now);
  void setServerName(const std::string& name);
  // Appends what the network delivered: a datagram, or a piece of the stream.
  void feed(const uint8_t* data, size_t size);
  // For a listener: the one datagram to look at.
  void feedListener(const Bytes& datagram);
  // Goes as far as the input reaches. Application records only with a budget: bytes of messages after which to stop.
  void run(size_t budget);
  void retransmit();
  bool send(const uint8_t* data, size_t size);
  void providePsk(const Bytes* key);
  void shutdown();
  static int liveCount();

  // Results, moved out by the caller.
  std::vector<Item> items;
  Hello hello;
  PathReport report;
  Bytes pskIdentity;
  std::string error;

  State state() const { return state_; }
  bool more() const { return more_; }
  SSL* ssl() const { return ssl_; }
  unsigned flightTimeout() const { return flightTimeout_; }
  unsigned timerStarts() const { return timerStarts_; }
  // Until OpenSSL's own flight timer, ms; -1 when no flight is outstanding.
  int flightRemaining() const;

  // For Context: callbacks and the cookie exchange.
  static Session* of(const SSL* ssl);
  static int onVerify(X509_STORE_CTX* context, void*);
  static int onClientHello(SSL* ssl, int* alert, void*);
  static void onProtocolMessage(int sent, int version, int type, const void* data, size_t size, SSL* ssl, void*);
  static unsigned onClientPsk(SSL*, const char* hint, char* identity, unsigned maxIdentity, unsigned char* key, unsigned maxKey);
  static unsigned onServerPsk(SSL*, const char* identity, unsigned char* key, unsigned maxKey);
  Context& context() const { return context_; }
  bool begun() const { return keepContext_ != nullptr; }
  bool sawTooManyKeyUpdates() const;

 private:
  void advanceHandshake();
  void readRecords(size_t budget);
  bool offerInput();
  bool offerDatagram();
  bool keepPossibleRecords(Bytes& datagram) const;
  size_t smallestProtectedRecord() const;
  bool offerRecords();
  bool awaitsPsk() const;
  bool pskSuitePending() const;
  void findPskIdentity(const Bytes& datagram);
  void askForPsk(const uint8_t* identity, size_t size);
  void established();
  void fail();
  void trim();
  void dropRead();
  void continueSequence(Bytes& datagram);
  static BIO_METHOD* bioMethod();
  static int bioRead(BIO* bio, char* out, int size);
  static int bioWrite(BIO* bio, const char* data, int size);
  static long bioControl(BIO* bio, int command, long number, void* pointer);
  static unsigned onTimer(SSL* ssl, unsigned current);

  Context& context_;
  std::shared_ptr<Context> keepContext_;  // empty in a listener, which its context owns
  SSL* ssl_;
  int64_t now_ = 0;  // of the handshake: when certificates are judged
  State state_ = State::handshaking;
  const bool datagram_, server_;
  bool started_ = false, more_ = false;
  uint64_t reads_ = 0;

  // Datagrams wait in order, `next_` is the first not offered yet, `offered_` the one OpenSSL may read now.
  std::vector<Bytes> datagrams_;
  size_t next_ = 0;
  Bytes offered_;
  bool hasOffered_ = false;
  // A stream is one run of bytes: read up to `readAt_`, OpenSSL may read up to `readableTo_`.
  Bytes stream_;
  size_t readAt_ = 0, readableTo_ = 0;

  // Record sequence number of the ClientHello that brought the cookie, and what to add to ours; -1: not known yet.
  uint64_t helloSequence_ = 0;
  int64_t sequenceOffset_ = -1;

  bool pskSettled_ = false;
  Bytes pskKey_;
  Bytes keyExchange_;  // handshake bytes of a stream while the ClientKeyExchange is awaited
  unsigned keyUpdates_ = 0;
  unsigned flightTimeout_ = 0, timerStarts_ = 0;
  bool scheduled_ = false;  // a retransmission asked for by our own schedule
  bool muted_ = false;
};
