"""The lab: networks of namespaces, on this kernel or in a virtual machine, in which Spillway is measured."""
