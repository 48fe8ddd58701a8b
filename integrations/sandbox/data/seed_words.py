"""Names and words for seeded data. Domains are under example.*, phone numbers are of the reserved 555-01xx block."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST_NAMES = _words(
    "Ava Liam Noah Emma Olivia Mason Sofia Lucas Mia Ethan Amara Diego Yuki Priya Omar Fatima Chen Ingrid Pavel "
    "Malik Hana Bruno Leila Tomas Grace Samuel Nadia Victor Elena Kofi Astrid Ravi Clara Hugo Iris Jonas Marta Felix "
    "Zoe Ana"
)
LAST_NAMES = _words(
    "Smith Garcia Nguyen Patel Johnson Kim Brown Silva Khan Muller Rossi Okafor Larsen Tanaka Lopez Haddad Novak "
    "Walker Singh Ivanov Costa Berg Moreau Fischer Adeyemi Cohen Wright Santos Young Alvarez Meyer Reed Bauer Cruz "
    "Dubois Lind"
)
CITIES = (  # city, state, country, postal code, time zone
    ("Austin", "TX", "US", "78701", "America/Chicago"),
    ("Denver", "CO", "US", "80202", "America/Denver"),
    ("Portland", "OR", "US", "97205", "America/Los_Angeles"),
    ("Atlanta", "GA", "US", "30303", "America/New_York"),
    ("Tampa", "FL", "US", "33602", "America/New_York"),
    ("Phoenix", "AZ", "US", "85004", "America/Phoenix"),
    ("Toronto", "ON", "CA", "M5H 2N2", "America/Toronto"),
    ("Manchester", "England", "GB", "M1 1AE", "Europe/London"),
    ("Sydney", "NSW", "AU", "2000", "Australia/Sydney"),
)
STREETS = (
    "Oak Street",
    "Maple Avenue",
    "2nd Street",
    "Harbor Road",
    "Mill Lane",
    "Cedar Drive",
    "Station Road",
)
BUSINESSES = (
    "Dental",
    "Fitness",
    "Roofing",
    "Legal",
    "Realty",
    "Auto Care",
    "Plumbing",
    "Med Spa",
    "Solar",
    "Tutoring",
)
AGENCY_NAMES = ("Northwind Marketing", "Bright Harbor Agency", "Summit Growth Partners", "Blue Kettle Media")
COMPANY_NAMES = (
    "Acme Supplies",
    "Fabrikam",
    "Contoso",
    "Globex",
    "Initech",
    "Umbrella Foods",
    "Wayne Interiors",
)
SOURCES = ("website form", "facebook ad", "google ads", "referral", "walk-in", "import", "public api")
DOMAINS = ("example.com", "example.org", "example.net")
TAGS = (
    "new lead",
    "vip",
    "newsletter",
    "follow up",
    "do not call",
    "past client",
    "webinar",
    "trial",
    "spring promo",
    "needs quote",
)
STAGES = ("New", "Contacted", "Qualified", "Proposal", "Closing")
PIPELINES = ("Sales", "Reactivation")
CALENDARS = ("Discovery call", "Consultation")
CONTACT_FIELDS = (  # name, data type, choices
    ("Budget", "NUMERICAL", ()),
    ("Preferred contact", "SINGLE_OPTIONS", ("Phone", "E-mail", "Text")),
    ("Interests", "MULTIPLE_OPTIONS", ("Pricing", "Support", "Upgrade")),
    ("Referred by", "TEXT", ()),
)
OPPORTUNITY_FIELDS = (("Expected close", "DATE", ()),)
NOTES = (
    "Asked for a quote.",
    "Left a voicemail.",
    "Prefers mornings.",
    "Sent the brochure.",
    "Met at the trade fair.",
)
TASK_TITLES = ("Call back", "Send proposal", "Confirm appointment", "Check references")
INBOUND = (
    "Hi, is Friday still open?",
    "How much is it?",
    "Thanks, got it!",
    "Can you call me after 5?",
    "Yes please.",
)
OUTBOUND = (
    "Thanks for reaching out!",
    "We can do Friday at 10.",
    "Here is your quote.",
    "Just checking in.",
    "See you soon!",
)
