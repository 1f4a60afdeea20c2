// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace tutti {

template <typename Signature>
class FunctionRef;

// A function object that outlives the reference: for parameters that are called before the callee returns. Allocates and owns nothing.
template <typename Return, typename... Args>
class FunctionRef<Return(Args...)> {
 public:
  template <typename Function>
    requires(!std::is_same_v<std::remove_cvref_t<Function>, FunctionRef> && std::is_invocable_r_v<Return, Function&, Args...>)
  FunctionRef(Function&& function)  // NOLINT: converts, as std::function does
      : function_(const_cast<void*>(static_cast<const void*>(std::addressof(function)))), call_([](void* object, Args... args) -> Return {
          return (*static_cast<std::remove_reference_t<Function>*>(object))(std::forward<Args>(args)...);
        }) {}

  Return operator()(Args... args) const { return call_(function_, std::forward<Args>(args)...); }

 private:
  void* function_;
  Return (*call_)(void*, Args...);
};

}  // namespace tutti
