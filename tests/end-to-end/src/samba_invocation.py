"""Gives a domain controller another invocation id, as a restored database gets one."""

import sys
import uuid

import ldb
from samba.auth import system_session
from samba.dcerpc import misc
from samba.ndr import ndr_pack
from samba.param import LoadParm
from samba.samdb import SamDB

parameters = LoadParm()
parameters.load(sys.argv[1])
database = SamDB(url=parameters.private_path("sam.ldb"), session_info=system_session(), lp=parameters)
value = ndr_pack(misc.GUID(str(uuid.uuid4())))
change = ldb.Message()
change.dn = ldb.Dn(database, database.get_dsServiceName())
change["invocationId"] = ldb.MessageElement(value, ldb.FLAG_MOD_REPLACE, "invocationId")
database.modify(change, controls=["relax:0"])
