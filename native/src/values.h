// N-API values (version 8) to and from C++, for the files that talk to JavaScript.
#pragma once
#include <node_api.h>

#include <cstring>
#include <string>
#include <vector>

#include "trust.h"

inline napi_value property(napi_env env, napi_value object, const char* name) {
  napi_value value = nullptr;
  napi_get_named_property(env, object, name, &value);
  return value;
}

inline napi_valuetype typeOf(napi_env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  napi_typeof(env, value, &type);
  return type;
}

inline bool readBytes(napi_env env, napi_value value, const uint8_t** data, size_t* size) {
  napi_typedarray_type type;
  void* start = nullptr;
  bool is = false;
  if (napi_is_typedarray(env, value, &is) != napi_ok || !is) return false;
  if (napi_get_typedarray_info(env, value, &type, size, &start, nullptr, nullptr) != napi_ok) return false;
  *data = static_cast<const uint8_t*>(start);
  return type == napi_uint8_array;
}

inline Bytes toBytes(napi_env env, napi_value value) {
  const uint8_t* data = nullptr;
  size_t size = 0;
  return readBytes(env, value, &data, &size) && size > 0 ? Bytes(data, data + size) : Bytes();
}

inline std::string toText(napi_env env, napi_value value) {
  size_t size = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &size) != napi_ok) return {};
  std::string text(size, 0);
  napi_get_value_string_utf8(env, value, text.data(), size + 1, &size);
  return text;
}

inline double toNumber(napi_env env, napi_value value) {
  double number = 0;
  napi_get_value_double(env, value, &number);
  return number;
}

inline bool toBool(napi_env env, napi_value value) {
  bool flag = false;
  napi_get_value_bool(env, value, &flag);
  return flag;
}

template <typename T>
std::vector<T> toList(napi_env env, napi_value list, T (*convert)(napi_env, napi_value)) {
  uint32_t count = 0;
  napi_get_array_length(env, list, &count);
  std::vector<T> out;
  for (uint32_t i = 0; i < count; i++) {
    napi_value element = nullptr;
    napi_get_element(env, list, i, &element);
    out.push_back(convert(env, element));
  }
  return out;
}

inline napi_value fromBytes(napi_env env, const Bytes& bytes) {
  void* data = nullptr;
  napi_value buffer = nullptr, view = nullptr;
  napi_create_arraybuffer(env, bytes.size(), &data, &buffer);
  if (!bytes.empty()) memcpy(data, bytes.data(), bytes.size());
  napi_create_typedarray(env, napi_uint8_array, bytes.size(), buffer, 0, &view);
  return view;
}

inline napi_value fromText(napi_env env, const std::string& text) {
  napi_value value = nullptr;
  napi_create_string_utf8(env, text.data(), text.size(), &value);
  return value;
}

inline napi_value fromNumber(napi_env env, double number) {
  napi_value value = nullptr;
  napi_create_double(env, number, &value);
  return value;
}

inline napi_value undefined(napi_env env) {
  napi_value value = nullptr;
  napi_get_undefined(env, &value);
  return value;
}

class List {
 public:
  explicit List(napi_env env) : env_(env) { napi_create_array(env, &array_); }
  void add(napi_value value) { napi_set_element(env_, array_, size_++, value); }
  napi_value get() const { return array_; }

 private:
  napi_env env_;
  napi_value array_ = nullptr;
  uint32_t size_ = 0;
};

inline napi_value fromList(napi_env env, const std::vector<Bytes>& list) {
  List out(env);
  for (const auto& bytes : list) out.add(fromBytes(env, bytes));
  return out.get();
}

inline void setProperty(napi_env env, napi_value object, const char* name, napi_value value) {
  napi_set_named_property(env, object, name, value);
}
