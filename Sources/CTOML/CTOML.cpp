#include "CTOML.h"
int spillway_toml_version(void) { return 0; }
