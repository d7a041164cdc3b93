// The value of an enum as people write it.
//
//   EnumText(*descriptor->FindValueByName("OVERFLOW_POLICY_REJECT"))   // "reject"
#ifndef CHANPOOL_SERVER_ADMIN_ENUM_TEXT_H_
#define CHANPOOL_SERVER_ADMIN_ENUM_TEXT_H_

#include <google/protobuf/descriptor.h>

#include <string>

namespace chanpool::admin {

// In lower case, without the enum's own name, which every value begins with (buf's rule ENUM_VALUE_PREFIX).
std::string EnumText(const google::protobuf::EnumValueDescriptor& value);

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_ENUM_TEXT_H_
