#pragma once
#include <stdint.h>
#include <pcap/pcap.h>

/* libpcap, loaded when a capture is read and not before: the daemon does not need it, nor what it brings along. */

/* Loads it; NULL, or why that failed. To be called before the others. */
const char *cpcap_load(void);

pcap_t *cpcap_open(const char *path, char *error);
void cpcap_close(pcap_t *handle);
int cpcap_datalink(pcap_t *handle);
const char *cpcap_datalink_name(int type);
int cpcap_next(pcap_t *handle, struct pcap_pkthdr **header, const uint8_t **data);
const char *cpcap_error(pcap_t *handle);
