// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>
#include <utility>

namespace tutti {

template <typename Signature>
class Callable;

// A function, or a method of an object that outlives it: for tables of functions, most of which need no state. Allocates and owns nothing.
template <typename Return, typename... Args>
class Callable<Return(Args...)> {
 public:
  using Function = Return (*)(Args...);

  constexpr Callable() = default;  // empty: not to be called
  constexpr bool is_empty() const { return function_ == nullptr && call_ == nullptr; }
  template <typename Any>
    requires std::is_convertible_v<Any, Function>
  constexpr Callable(Any function) : function_(function) {}  // NOLINT: converts, as std::function does

  template <auto method, typename Object>
  static Callable of(const Object& object) {
    Callable result;
    result.object_ = &object;
    result.call_ = [](const void* pointer, Args... args) -> Return {
      return (static_cast<const Object*>(pointer)->*method)(std::forward<Args>(args)...);
    };
    return result;
  }

  Return operator()(Args... args) const {
    return call_ == nullptr ? function_(std::forward<Args>(args)...) : call_(object_, std::forward<Args>(args)...);
  }

 private:
  Function function_ = nullptr;
  const void* object_ = nullptr;
  Return (*call_)(const void*, Args...) = nullptr;
};

}  // namespace tutti
