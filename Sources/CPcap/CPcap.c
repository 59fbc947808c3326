#include "CPcap.h"
#include <dlfcn.h>

static struct {
    __typeof__(pcap_open_offline_with_tstamp_precision) *open;
    __typeof__(pcap_close) *close;
    __typeof__(pcap_datalink) *datalink;
    __typeof__(pcap_datalink_val_to_name) *datalink_name;
    __typeof__(pcap_next_ex) *next;
    __typeof__(pcap_geterr) *error;
} library;

const char *cpcap_load(void) {
    void *handle = dlopen("libpcap.so.0.8", RTLD_NOW);
    /* Debian's name for it; others follow the library's own numbers. */
    if (!handle) handle = dlopen("libpcap.so.1", RTLD_NOW);
    if (!handle) return dlerror();
    library.open = dlsym(handle, "pcap_open_offline_with_tstamp_precision");
    library.close = dlsym(handle, "pcap_close");
    library.datalink = dlsym(handle, "pcap_datalink");
    library.datalink_name = dlsym(handle, "pcap_datalink_val_to_name");
    library.next = dlsym(handle, "pcap_next_ex");
    library.error = dlsym(handle, "pcap_geterr");
    if (library.open && library.close && library.datalink && library.datalink_name && library.next && library.error)
        return 0;
    return "libpcap is too old";
}

pcap_t *cpcap_open(const char *path, char *error) {
    return library.open(path, PCAP_TSTAMP_PRECISION_NANO, error);
}

void cpcap_close(pcap_t *handle) { library.close(handle); }

int cpcap_datalink(pcap_t *handle) { return library.datalink(handle); }

const char *cpcap_datalink_name(int type) { return library.datalink_name(type); }

int cpcap_next(pcap_t *handle, struct pcap_pkthdr **header, const uint8_t **data) {
    return library.next(handle, header, data);
}

const char *cpcap_error(pcap_t *handle) { return library.error(handle); }
