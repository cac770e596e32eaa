// Record headers and integers of TLS and DTLS (RFC 8446 §5.1, RFC 6347 §4.1).
#pragma once
#include <cstddef>
#include <cstdint>

constexpr uint8_t recordAlert = 21, recordHandshake = 22, recordApplication = 23, recordLast = 24;
constexpr uint8_t messageClientKeyExchange = 16, messageKeyUpdate = 24;

inline size_t read16(const uint8_t* at) { return static_cast<size_t>(at[0] << 8 | at[1]); }
inline size_t read24(const uint8_t* at) { return static_cast<size_t>(at[0] << 16 | at[1] << 8 | at[2]); }
inline uint64_t read48(const uint8_t* at) {
  uint64_t value = 0;
  for (int i = 0; i < 6; i++) value = value << 8 | at[i];
  return value;
}
