#include "ph_core.h"

const char *
ph_result_name(ph_int_t rc)
{
    switch (rc) {
    case PH_OK:        return "PH_OK";
    case PH_ERROR:     return "PH_ERROR";
    case PH_AGAIN:     return "PH_AGAIN";
    case PH_BUSY:      return "PH_BUSY";
    case PH_DONE:      return "PH_DONE";
    case PH_DECLINED:  return "PH_DECLINED";
    case PH_ABORT:     return "PH_ABORT";
    case PH_NOMEM:     return "PH_NOMEM";
    case PH_INVALID:   return "PH_INVALID";
    case PH_NOTFOUND:  return "PH_NOTFOUND";
    case PH_EXISTS:    return "PH_EXISTS";
    case PH_DENIED:    return "PH_DENIED";
    case PH_TOOBIG:    return "PH_TOOBIG";
    case PH_NOSPACE:   return "PH_NOSPACE";
    case PH_CORRUPT:   return "PH_CORRUPT";
    case PH_TIMEOUT:   return "PH_TIMEOUT";
    case PH_CONFLICT:  return "PH_CONFLICT";
    case PH_QUOTA:     return "PH_QUOTA";
    default:           return "PH_UNKNOWN";
    }
}
