//! Directories as they really are: Samba as a domain controller, and OpenLDAP.

mod samba;
