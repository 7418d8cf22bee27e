/* Property tags of the converters that the general list does not name. */

#ifndef CONV_TAGS_H
#define CONV_TAGS_H

#include "mapi/mapi_tags.h"

#define PR_READ_RECEIPT_NAME                 0x402B001Fu
#define PR_READ_RECEIPT_ADDRTYPE             0x4029001Fu
#define PR_READ_RECEIPT_EMAIL_ADDRESS        0x402A001Fu
#define PR_READ_RECEIPT_SMTP_ADDRESS         0x5D05001Fu
#define PR_TEXT_ATTACHMENT_CHARSET           0x371B001Fu

#endif
