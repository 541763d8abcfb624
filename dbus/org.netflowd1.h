/* SPDX-License-Identifier: MIT */
#pragma once

/* Every name of the bus interface that daemon and client share. What each one means is in the man page and
 * the introspection XML beside this file. */
#define NETFLOWD_BUS_NAME    "org.netflowd1"
#define NETFLOWD_OBJECT_PATH "/org/netflowd1"
#define NETFLOWD_INTERFACE   "org.netflowd1.Manager"
#define NETFLOWD_API_VERSION 1u

#define NETFLOWD_METHOD_GET_PROCESS_RANK "GetProcessRank"
#define NETFLOWD_METHOD_GET_PROCESS      "GetProcess"
#define NETFLOWD_METHOD_GET_RANK         "GetRank"
#define NETFLOWD_METHOD_LIST_FLOWS       "ListFlows"
#define NETFLOWD_METHOD_START_CAPTURE    "StartCapture"
#define NETFLOWD_METHOD_STOP_CAPTURE     "StopCapture"
#define NETFLOWD_METHOD_STORE_PCAP       "StorePcap"
#define NETFLOWD_METHOD_STOP_PCAP        "StopPcap"

#define NETFLOWD_SIGNAL_RANK_CHANGED      "RankChanged"
#define NETFLOWD_SIGNAL_PROCESSES_CHANGED "ProcessesChanged"
#define NETFLOWD_SIGNAL_CAPTURE_STARTED   "CaptureStarted"
#define NETFLOWD_SIGNAL_CAPTURE_STOPPED   "CaptureStopped"
#define NETFLOWD_SIGNAL_PCAP_STOPPED      "PcapStopped"

#define NETFLOWD_PROPERTY_VERSION          "Version"
#define NETFLOWD_PROPERTY_API_VERSION      "APIVersion"
#define NETFLOWD_PROPERTY_CAPTURING        "Capturing"
#define NETFLOWD_PROPERTY_BACKEND          "Backend"
#define NETFLOWD_PROPERTY_BACKEND_REASON   "BackendReason"
#define NETFLOWD_PROPERTY_OWNERS           "Owners"
#define NETFLOWD_PROPERTY_OWNERS_REASON    "OwnersReason"
#define NETFLOWD_PROPERTY_FILTER           "Filter"
#define NETFLOWD_PROPERTY_DEVICES          "Devices"
#define NETFLOWD_PROPERTY_PACKETS_RECEIVED "PacketsReceived"
#define NETFLOWD_PROPERTY_PACKETS_DROPPED  "PacketsDropped"
#define NETFLOWD_PROPERTY_LEDGER           "Ledger"
#define NETFLOWD_PROPERTY_LIMITS           "Limits"

/* Why a capture stopped. */
#define NETFLOWD_STOPPED_REQUESTED "requested"
#define NETFLOWD_STOPPED_TIMEOUT   "timeout"
#define NETFLOWD_STOPPED_ERROR     "error"

/* Why a recording ended, but for errors. */
#define NETFLOWD_PCAP_REQUESTED   "requested"
#define NETFLOWD_PCAP_TIMEOUT     "timeout"
#define NETFLOWD_PCAP_SIZE        "size"
#define NETFLOWD_PCAP_SLOW_READER "slow-reader"
#define NETFLOWD_PCAP_CLOSED      "closed"
#define NETFLOWD_PCAP_CALLER_GONE "caller-gone"
#define NETFLOWD_PCAP_STOPPING    "stopping"

/* polkit actions, see org.netflowd1.policy. */
#define NETFLOWD_ACTION_INSPECT "org.netflowd1.inspect"
#define NETFLOWD_ACTION_MANAGE  "org.netflowd1.manage"

#define NETFLOWD_ERROR_NO_SUCH_PROCESS "org.netflowd1.Error.NoSuchProcess"
#define NETFLOWD_ERROR_CAPTURE_FAILED  "org.netflowd1.Error.CaptureFailed"
#define NETFLOWD_ERROR_NO_SUCH_RECORDING "org.netflowd1.Error.NoSuchRecording"

/* Options of methods. */
#define NETFLOWD_OPTION_SORT      "sort"
#define NETFLOWD_OPTION_LOOPBACK  "loopback"
#define NETFLOWD_OPTION_FILTER    "filter"
#define NETFLOWD_OPTION_DEVICES   "devices"
#define NETFLOWD_OPTION_PID       "pid"
#define NETFLOWD_OPTION_UNIT      "unit"
#define NETFLOWD_OPTION_TIMEOUT   "timeout_usec"
#define NETFLOWD_OPTION_MAX_BYTES "max_bytes"

/* Keys of a process, on the bus and in JSON. */
#define NETFLOWD_KEY_PID           "pid"
#define NETFLOWD_KEY_NAME          "name"
#define NETFLOWD_KEY_EXE           "exe"
#define NETFLOWD_KEY_STATE         "state"
#define NETFLOWD_KEY_START_TIME    "start_time_usec"
#define NETFLOWD_KEY_UID           "uid"
#define NETFLOWD_KEY_USER          "user"
#define NETFLOWD_KEY_UNIT          "unit"
#define NETFLOWD_KEY_CGROUP        "cgroup"
#define NETFLOWD_KEY_PROCESSES     "processes"
#define NETFLOWD_KEY_INTERFACE     "interface"
#define NETFLOWD_KEY_INODE_COUNT   "inode_count"
#define NETFLOWD_KEY_INODES        "inodes"
#define NETFLOWD_KEY_TRAFFIC_STATS "traffic_stats"
#define NETFLOWD_KEY_TOTAL         "total"
#define NETFLOWD_KEY_RING          "ring"

/* Keys within traffic_stats, total and (in JSON) a ring entry. */
#define NETFLOWD_KEY_IN          "in"
#define NETFLOWD_KEY_OUT         "out"
#define NETFLOWD_KEY_IN_RATE     "in_rate"
#define NETFLOWD_KEY_OUT_RATE    "out_rate"
#define NETFLOWD_KEY_INPUT_EWMA  "input_ewma"
#define NETFLOWD_KEY_OUTPUT_EWMA "output_ewma"
#define NETFLOWD_KEY_PACKETS_IN  "packets_in"
#define NETFLOWD_KEY_PACKETS_OUT "packets_out"
#define NETFLOWD_KEY_SINCE       "since_usec"
#define NETFLOWD_KEY_TIMESTAMP   "timestamp"

#define NETFLOWD_STATE_EXITED "exited"

/* What GetRank can go by, and sort by. */
#define NETFLOWD_BY_PROCESS   "process"
#define NETFLOWD_BY_APP       "app"
#define NETFLOWD_BY_UNIT      "unit"
#define NETFLOWD_BY_USER      "user"
#define NETFLOWD_BY_INTERFACE "interface"
#define NETFLOWD_BY_REMOTE    "remote"
#define NETFLOWD_BY_PROTOCOL  "protocol"
#define NETFLOWD_SORT_TOTAL   "total"
#define NETFLOWD_SORT_IN      "in"
#define NETFLOWD_SORT_OUT     "out"

/* Keys of a flow, beside in and out. */
#define NETFLOWD_FLOW_PROTOCOL "protocol"
#define NETFLOWD_FLOW_LOCAL    "local"
#define NETFLOWD_FLOW_REMOTE   "remote"
#define NETFLOWD_FLOW_AGE      "age_usec"

/* Flows that one answer lists at the most: those with the most bytes. */
#define NETFLOWD_FLOWS_MAX 4096u

/* Keys of the limits. */
#define NETFLOWD_LIMIT_CPU_QUOTA         "cpu_quota_usec"
#define NETFLOWD_LIMIT_MEMORY_MAX        "memory_max"
#define NETFLOWD_LIMIT_MEMORY_CURRENT    "memory_current"
#define NETFLOWD_LIMIT_THROTTLED         "throttled_usec"
#define NETFLOWD_LIMIT_THROTTLED_PERIODS "throttled_periods"

/* Keys of a device. */
#define NETFLOWD_DEVICE_NAME       "name"
#define NETFLOWD_DEVICE_LINK_TYPE  "link_type"
#define NETFLOWD_DEVICE_STATE      "state"
#define NETFLOWD_DEVICE_LAST_ERROR "last_error"
#define NETFLOWD_DEVICE_RECEIVED   "received"
#define NETFLOWD_DEVICE_DROPPED    "dropped"

/* Keys of the ledger; the unattributed ones go on with the reason. */
#define NETFLOWD_LEDGER_SEEN             "seen"
#define NETFLOWD_LEDGER_ATTRIBUTED       "attributed"
#define NETFLOWD_LEDGER_UNATTRIBUTED     "unattributed-"
#define NETFLOWD_LEDGER_SKIPPED_ENSLAVED "skipped-enslaved"
#define NETFLOWD_LEDGER_SKIPPED_STACKED  "skipped-stacked"
#define NETFLOWD_LEDGER_SKIPPED_ADDRESS  "skipped-address"
#define NETFLOWD_LEDGER_TUNNEL_INNER     "tunnel-inner"

/* Bounds of the window, in seconds. */
#define NETFLOWD_RECENT_MIN 1u
#define NETFLOWD_RECENT_MAX 300u
