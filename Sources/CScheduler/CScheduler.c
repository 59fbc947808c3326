// The header is all there is: the program itself runs in the kernel.
#include "CScheduler.h"
