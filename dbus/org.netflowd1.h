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

#define NETFLOWD_SIGNAL_RANK_CHANGED      "RankChanged"
#define NETFLOWD_SIGNAL_PROCESSES_CHANGED "ProcessesChanged"

#define NETFLOWD_PROPERTY_VERSION          "Version"
#define NETFLOWD_PROPERTY_API_VERSION      "APIVersion"
#define NETFLOWD_PROPERTY_CAPTURING        "Capturing"
#define NETFLOWD_PROPERTY_BACKEND          "Backend"
#define NETFLOWD_PROPERTY_FILTER           "Filter"
#define NETFLOWD_PROPERTY_DEVICES          "Devices"
#define NETFLOWD_PROPERTY_PACKETS_RECEIVED "PacketsReceived"
#define NETFLOWD_PROPERTY_PACKETS_DROPPED  "PacketsDropped"
#define NETFLOWD_PROPERTY_LEDGER           "Ledger"

#define NETFLOWD_ERROR_NO_SUCH_PROCESS "org.netflowd1.Error.NoSuchProcess"

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

/* Bounds of the window, in seconds. */
#define NETFLOWD_RECENT_MIN 1u
#define NETFLOWD_RECENT_MAX 300u
