// The BIO through which OpenSSL reads what waits and writes what goes out.
#include <algorithm>
#include <cstring>

#include "record.h"
#include "session.h"

BIO_METHOD* Session::bioMethod() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "firstboot");
    BIO_meth_set_read(made, bioRead);
    BIO_meth_set_write(made, bioWrite);
    BIO_meth_set_ctrl(made, bioControl);
    return made;
  }();
  return method;
}

int Session::bioRead(BIO* bio, char* out, int size) {
  auto* session = static_cast<Session*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  session->muted_ = false;
  // OpenSSL answers KeyUpdates without end (RFC 8446 §4.6.3); a read that fails for good makes it stop.
  if (session->sawTooManyKeyUpdates() || size <= 0) return -1;
  const size_t available =
      session->datagram_ ? (session->hasOffered_ ? session->offered_.size() : 0) : session->readableTo_ - session->readAt_;
  if (available == 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const size_t count = std::min(available, static_cast<size_t>(size));
  session->reads_++;
  if (session->datagram_) {
    memcpy(out, session->offered_.data(), count);
    session->hasOffered_ = false;
    session->offered_ = {};
  } else {
    memcpy(out, session->stream_.data() + session->readAt_, count);
    session->readAt_ += count;
  }
  return static_cast<int>(count);
}

int Session::bioWrite(BIO* bio, const char* data, int size) {
  auto* session = static_cast<Session*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (session->muted_) return size;
  session->items.push_back({ItemKind::output, 0, Bytes(data, data + size)});
  if (session->helloSequence_ > 1 && session->begun()) session->continueSequence(session->items.back().bytes);
  return size;
}

// RFC 6347 §4.2.1: the ServerHello takes the record sequence number of the ClientHello, lest it be a replay of an earlier
// HelloVerifyRequest. OpenSSL since 3.2 always starts at 1. Records of epoch 0 are not protected, so it is mended here.
void Session::continueSequence(Bytes& datagram) {
  for (size_t at = 0; at + 13 <= datagram.size(); at += 13 + read16(&datagram[at + 11])) {
    if (read16(&datagram[at + 3]) != 0) return;
    const uint64_t sequence = read48(&datagram[at + 5]);
    if (sequenceOffset_ < 0) sequenceOffset_ = sequence < helloSequence_ ? static_cast<int64_t>(helloSequence_ - sequence) : 0;
    const uint64_t continued = sequence + static_cast<uint64_t>(sequenceOffset_);
    for (int i = 0; i < 6; i++) datagram[at + 5 + static_cast<size_t>(i)] = static_cast<uint8_t>(continued >> (40 - 8 * i));
  }
}

long Session::bioControl(BIO* bio, int command, long, void*) {
  auto* session = static_cast<Session*>(BIO_get_data(bio));
  switch (command) {
    case BIO_CTRL_FLUSH:
      return 1;
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
      return static_cast<long>(session->context_.options().mtu);
    default:
      return 0;
  }
}
