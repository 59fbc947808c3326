#pragma once
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
// placeholder until the shim below is written
int spillway_toml_version(void);
#ifdef __cplusplus
}
#endif
