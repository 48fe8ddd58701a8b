# Generated from the catalogue by `manage.py records stub`: do not edit.
from typing import Any, TypedDict

from django.db.models import QuerySet

from integrations.sync.models import Record
from integrations.sync.typed.record_selection import RecordSelection
from integrations.tenants.models import App

class ContactsFields(TypedDict, total=False):
    address1: str | None
    assignedTo: str | None
    attachments: str | None
    attributionSource: dict[str, Any] | None
    businessId: str | None
    city: str | None
    companyName: str | None
    country: str | None
    customFields: list[dict[str, Any]] | None
    dateAdded: str | None
    dateOfBirth: str | None
    dateUpdated: str | None
    dnd: bool | None
    dndSettings: dict[str, Any] | None
    email: str | None
    emailLowerCase: str | None
    firstName: str | None
    firstNameLowerCase: str | None
    fullNameLowerCase: str | None
    id: str | None
    keyword: str | None
    lastActivity: str | None
    lastAttributionSource: dict[str, Any] | None
    lastName: str | None
    lastNameLowerCase: str | None
    locationId: str | None
    name: str | None
    phone: str | None
    postalCode: str | None
    source: str | None
    ssn: str | None
    state: str | None
    tags: list[str] | None
    timezone: str | None
    type: str | None
    visitorId: str | None
    website: str | None

class OpportunitiesFields(TypedDict, total=False):
    assignedTo: str | None
    calendarEvents: list[list[Any]] | None
    contactId: str | None
    createdAt: str | None
    customFields: list[dict[str, Any]] | None
    effectiveProbability: float | None
    externalObjectId: str | None
    followers: list[list[Any]] | None
    forecastDaysSlipped: float | None
    forecastExpectedCloseDate: str | None
    forecastLastSlippedAt: str | None
    forecastOriginalCloseDate: str | None
    forecastProbability: float | None
    forecastSlippageCount: float | None
    id: str | None
    indexVersion: str | None
    lastActionDate: str | None
    lastStageChangeAt: str | None
    lastStatusChangeAt: str | None
    locationId: str | None
    lostReasonId: str | None
    monetaryValue: float | None
    name: str | None
    notes: list[list[Any]] | None
    pipelineId: str | None
    pipelineStageId: str | None
    source: str | None
    status: str | None
    tasks: list[list[Any]] | None
    updatedAt: str | None

class PipelinesFields(TypedDict, total=False):
    colorRenderMode: str | None
    id: str | None
    locationId: str | None
    name: str | None
    showInFunnel: bool | None
    showInPieChart: bool | None
    stages: list[list[Any]] | None
    useOpportunityProbability: bool | None

class UsersFields(TypedDict, total=False):
    deleted: bool | None
    email: str | None
    extension: str | None
    firstName: str | None
    id: str | None
    lastName: str | None
    lcPhone: dict[str, Any] | None
    name: str | None
    permissions: dict[str, Any] | None
    phone: str | None
    platformLanguage: str | None
    roles: dict[str, Any] | None
    scopes: Any

class CalendarsFields(TypedDict, total=False):
    alertEmail: str | None
    allowBookingAfter: float | None
    allowBookingAfterUnit: Any
    allowBookingFor: float | None
    allowBookingForUnit: str | None
    allowCancellation: bool | None
    allowReschedule: bool | None
    appoinmentPerDay: float | None
    appoinmentPerSlot: float | None
    autoConfirm: bool | None
    availabilities: list[dict[str, Any]] | None
    availabilityType: str | None
    calendarCoverImage: str | None
    calendarType: str | None
    consentLabel: str | None
    description: str | None
    enableRecurring: bool | None
    eventColor: str | None
    eventTitle: str | None
    eventType: str | None
    formId: str | None
    formSubmitRedirectURL: str | None
    formSubmitThanksMessage: str | None
    formSubmitType: str | None
    googleInvitationEmails: bool | None
    groupId: str | None
    guestType: str | None
    id: str | None
    isActive: bool | None
    isLivePaymentMode: bool | None
    locationConfigurations: list[dict[str, Any]] | None
    locationId: str | None
    lookBusyConfig: dict[str, Any] | None
    meetingLocation: str | None
    name: str | None
    notes: str | None
    notifications: list[dict[str, Any]] | None
    openHours: list[dict[str, Any]] | None
    pixelId: str | None
    preBuffer: float | None
    preBufferUnit: str | None
    recurring: dict[str, Any] | None
    shouldAssignContactToTeamMember: bool | None
    shouldSendAlertEmailsToAssignedMember: bool | None
    shouldSkipAssigningContactForExisting: bool | None
    slotBuffer: float | None
    slotBufferUnit: str | None
    slotDuration: float | None
    slotDurationUnit: str | None
    slotInterval: float | None
    slotIntervalUnit: str | None
    slug: str | None
    stickyContact: bool | None
    teamMembers: list[dict[str, Any]] | None
    widgetSlug: str | None
    widgetType: str | None

class NotesFields(TypedDict, total=False):
    body: str | None
    color: str | None
    contactId: str | None
    dateAdded: str | None
    id: str | None
    pinned: bool | None
    title: str | None
    userId: str | None

class TasksFields(TypedDict, total=False):
    assignedTo: str | None
    body: str | None
    completed: bool | None
    contactId: str | None
    dueDate: str | None
    id: str | None
    title: str | None

class TagsFields(TypedDict, total=False):
    id: str | None
    locationId: str | None
    name: str | None

class BusinessesFields(TypedDict, total=False):
    address: str | None
    city: str | None
    country: str | None
    createdAt: str | None
    createdBy: dict[str, Any] | None
    description: str | None
    email: str | None
    id: str | None
    locationId: str | None
    name: str | None
    phone: str | None
    postalCode: str | None
    state: str | None
    updatedAt: str | None
    updatedBy: dict[str, Any] | None
    website: str | None

class ConversationsFields(TypedDict, total=False):
    assignedTo: str | None
    contactId: str | None
    contactName: str | None  # another object's, as old as this copy of it
    deleted: bool | None
    email: str | None  # another object's, as old as this copy of it
    fullName: str | None  # another object's, as old as this copy of it
    id: str | None
    inbox: bool | None
    lastMessageBody: str | None
    lastMessageType: str | None
    locationId: str | None
    phone: str | None  # another object's, as old as this copy of it
    starred: bool | None
    type: Any
    unreadCount: float | None

class MessagesFields(TypedDict, total=False):
    attachments: list[str] | None
    body: str | None
    chatWidgetId: str | None
    contactId: str | None
    contentType: str | None
    conversationId: str | None
    conversationProviderId: str | None
    dateAdded: str | None
    direction: str | None
    id: str | None
    locationId: str | None
    messageType: str | None
    meta: dict[str, Any] | None
    source: str | None
    status: str | None
    type: float | None
    userId: str | None

class CalendarGroupsFields(TypedDict, total=False):
    description: str | None
    id: str | None
    isActive: bool | None
    locationId: str | None
    name: str | None
    slug: str | None

class CalendarEventsFields(TypedDict, total=False):
    address: str | None
    appointmentStatus: str | None
    assignedResources: list[str] | None
    assignedUserId: str | None
    calendarId: str | None
    contactId: str | None
    createdBy: dict[str, Any] | None
    dateAdded: dict[str, Any] | None
    dateUpdated: dict[str, Any] | None
    deleted: bool | None
    description: str | None
    endTime: dict[str, Any] | None
    groupId: str | None
    id: str | None
    isRecurring: bool | None
    locationId: str | None
    masterEventId: str | None
    notes: str | None
    rrule: str | None
    startTime: dict[str, Any] | None
    title: str | None
    users: list[str] | None

class BlockedSlotsFields(TypedDict, total=False):
    address: str | None
    appointmentStatus: str | None
    assignedResources: list[str] | None
    assignedUserId: str | None
    calendarId: str | None
    contactId: str | None
    createdBy: dict[str, Any] | None
    dateAdded: dict[str, Any] | None
    dateUpdated: dict[str, Any] | None
    deleted: bool | None
    description: str | None
    endTime: dict[str, Any] | None
    groupId: str | None
    id: str | None
    isRecurring: bool | None
    locationId: str | None
    masterEventId: str | None
    notes: str | None
    rrule: str | None
    startTime: dict[str, Any] | None
    title: str | None
    users: list[str] | None

class SchedulesFields(TypedDict, total=False):
    calendarIds: list[str] | None
    dateAdded: str | None
    dateUpdated: str | None
    deleted: bool | None
    id: str | None
    locationId: str | None
    name: str | None
    rules: list[dict[str, Any]] | None
    timezone: str | None
    userId: str | None

class CalendarNotificationsFields(TypedDict, total=False):
    _id: str | None
    additionalEmailIds: list[str] | None
    additionalPhoneNumbers: list[str] | None
    additionalWhatsappNumbers: list[str] | None
    afterTime: list[dict[str, Any]] | None
    beforeTime: list[dict[str, Any]] | None
    body: str | None
    channel: str | None
    deleted: bool | None
    isActive: bool | None
    notificationType: str | None
    receiverType: str | None
    selectedUsers: list[str] | None
    subject: str | None
    templateId: str | None

class AppointmentNotesFields(TypedDict, total=False):
    body: str | None
    contactId: str | None
    createdBy: dict[str, Any] | None
    dateAdded: str | None
    id: str | None
    userId: str | None

class ServicesFields(TypedDict, total=False):
    coverImage: str | None
    description: str | None
    eventColor: str | None
    formId: str | None
    id: str | None
    isPrivate: bool | None
    locationId: str | None
    name: str | None
    payment: dict[str, Any] | None
    postBuffer: float | None
    postBufferUnit: str | None
    preBuffer: float | None
    preBufferUnit: str | None
    serviceCategoryId: str | None
    serviceDuration: float | None
    serviceDurationUnit: str | None
    slug: str | None
    staff: list[dict[str, Any]] | None
    variations: list[dict[str, Any]] | None

class ServiceLocationsFields(TypedDict, total=False):
    address: str | None
    coverImage: str | None
    id: str | None
    isActive: bool | None
    isPrivate: bool | None
    locationId: str | None
    locationType: str | None
    name: str | None
    phone: str | None
    slug: str | None

class ServiceBookingsFields(TypedDict, total=False):
    bookingId: str | None
    contactId: str | None
    createdBy: dict[str, Any] | None
    dateAdded: str | None
    dateUpdated: str | None
    deleted: bool | None
    endTime: str | None
    locationId: str | None
    meetingLocation: str | None
    serviceLocationId: str | None
    services: list[dict[str, Any]] | None
    startTime: str | None
    status: str | None
    timezone: str | None
    title: str | None

class LocationsFields(TypedDict, total=False):
    address: str | None
    business: dict[str, Any] | None
    city: str | None
    companyId: str | None
    country: str | None
    domain: str | None
    email: str | None
    firstName: str | None
    id: str | None
    lastName: str | None
    logoUrl: str | None
    name: str | None
    phone: str | None
    postalCode: str | None
    reseller: dict[str, Any] | None
    settings: dict[str, Any] | None
    social: dict[str, Any] | None
    state: str | None
    timezone: str | None
    website: str | None

class CustomFieldsFields(TypedDict, total=False):
    dataType: str | None
    fieldKey: str | None
    id: str | None
    isAllowedCustomOption: bool | None
    isMultiFileAllowed: bool | None
    locationId: str | None
    maxFileLimit: float | None
    model: str | None
    name: str | None
    picklistImageOptions: list[str] | None
    picklistOptions: list[str] | None
    placeholder: str | None
    position: float | None

class CustomValuesFields(TypedDict, total=False):
    fieldKey: str | None
    id: str | None
    locationId: str | None
    name: str | None
    value: str | None

class LostReasonsFields(TypedDict, total=False):
    createdAt: str | None
    id: str | None
    locationId: str | None
    name: str | None
    updatedAt: str | None

class PhoneNumbersFields(TypedDict, total=False):
    addressSid: str | None
    bundleSid: str | None
    capabilities: dict[str, Any] | None
    countryCode: str | None
    dateAdded: Any
    dateCreated: dict[str, Any] | None
    dateUpdated: Any
    forwardingNumber: str | None
    friendlyName: str | None
    inboundCallService: dict[str, Any] | None
    isDefaultNumber: bool | None
    isGroupConversationEnabled: bool | None
    linkedRingAllUsers: list[str] | None
    linkedUser: str | None
    origin: Any
    phoneNumber: str | None
    sid: str | None
    type: Any

class NumberPoolsFields(TypedDict, total=False):
    callRecording: bool | None
    forwardingNumber: str | None
    id: str | None
    inboundCallService: dict[str, Any] | None
    isActive: bool | None
    locationId: str | None
    name: str | None
    numbers: list[dict[str, Any]] | None
    whisper: bool | None
    whisperMessage: str | None

class ChargesFields(TypedDict, total=False):
    amountCharged: float | None
    appId: str | None
    chargeId: str | None
    createdAt: str | None
    currency: str | None
    entityId: str | None
    entityType: str | None
    meta: dict[str, Any] | None
    meterId: str | None
    pricePerUnit: float | None
    refunded: bool | None
    transactionType: str | None
    units: float | None
    updatedAt: str | None

class CustomObjectsFields(TypedDict, total=False):
    dateAdded: str | None
    dateUpdated: str | None
    description: str | None
    id: str | None
    key: str | None
    labels: dict[str, Any] | None
    locationId: str | None
    primaryDisplayProperty: str | None
    standard: bool | None
    type: dict[str, Any] | None

class CustomObjectFieldsFields(TypedDict, total=False):
    acceptedFormats: str | None
    allowCustomOption: bool | None
    dataType: str | None
    dateAdded: str | None
    dateUpdated: str | None
    description: str | None
    fieldKey: str | None
    id: str | None
    locationId: str | None
    maxFileLimit: float | None
    name: str | None
    objectKey: str | None
    options: list[dict[str, Any]] | None
    parentId: str | None
    placeholder: str | None
    showInForms: bool | None

class CustomRecordsFields(TypedDict, total=False):
    createdAt: str | None
    createdBy: dict[str, Any] | None
    dateAdded: str | None
    dateUpdated: str | None
    followers: list[str] | None
    id: str | None
    lastUpdatedBy: dict[str, Any] | None
    locationId: str | None
    objectId: str | None
    objectKey: str | None
    owner: list[str] | None
    properties: str | None
    updatedAt: str | None

class AssociationsFields(TypedDict, total=False):
    associationType: dict[str, Any] | None
    firstObjectKey: dict[str, Any] | None
    firstObjectLabel: dict[str, Any] | None
    id: str | None
    key: str | None
    locationId: str | None
    secondObjectKey: dict[str, Any] | None
    secondObjectLabel: dict[str, Any] | None

class FormsFields(TypedDict, total=False):
    id: str | None
    locationId: str | None
    name: str | None

class FormSubmissionsFields(TypedDict, total=False):
    contactId: str | None
    createdAt: str | None
    email: str | None
    formId: str | None
    id: str | None
    name: str | None
    others: dict[str, Any] | None

class SurveysFields(TypedDict, total=False):
    id: str | None
    locationId: str | None
    name: str | None

class SurveySubmissionsFields(TypedDict, total=False):
    contactId: str | None
    createdAt: str | None
    email: str | None
    id: str | None
    name: str | None
    others: dict[str, Any] | None
    surveyId: str | None

class CampaignsFields(TypedDict, total=False):
    id: str | None
    locationId: str | None
    name: str | None
    status: str | None

class WorkflowsFields(TypedDict, total=False):
    createdAt: str | None
    id: str | None
    locationId: str | None
    name: str | None
    status: str | None
    updatedAt: str | None
    version: float | None

class TriggerLinksFields(TypedDict, total=False):
    fieldKey: str | None
    id: str | None
    locationId: str | None
    name: str | None
    redirectTo: str | None

class VoiceAgentsFields(TypedDict, total=False):
    actions: list[dict[str, Any]] | None
    agentName: str | None
    agentPrompt: str | None
    agentWorkingHours: list[dict[str, Any]] | None
    businessName: str | None
    callEndWorkflowIds: list[str] | None
    id: str | None
    inboundNumber: str | None
    isAgentAsBackupDisabled: bool | None
    language: str | None
    locationId: str | None
    maxCallDuration: float | None
    numberPoolId: str | None
    patienceLevel: str | None
    reminderAfterIdleTimeSeconds: float | None
    sendPostCallNotificationTo: dict[str, Any] | None
    sendUserIdleReminders: bool | None
    timezone: str | None
    translation: dict[str, Any] | None
    voiceId: str | None
    welcomeMessage: str | None

class VoiceCallLogsFields(TypedDict, total=False):
    agentId: str | None
    contactId: str | None
    createdAt: str | None
    duration: float | None
    executedCallActions: list[dict[str, Any]] | None
    extractedData: dict[str, Any] | None
    fromNumber: str | None
    id: str | None
    isAgentDeleted: bool | None
    messageId: str | None
    summary: str | None
    transcript: str | None
    translation: dict[str, Any] | None
    trialCall: bool | None

class ConversationAgentsFields(TypedDict, total=False):
    actions: list[dict[str, Any]] | None
    autoPilotMaxMessages: float | None
    businessName: str | None
    channels: Any
    createdAt: str | None
    goal: Any
    id: str | None
    instructions: str | None
    isPrimary: bool | None
    knowledgeBaseIds: list[str] | None
    mode: str | None
    name: str | None
    personality: str | None
    sleepEnabled: bool | None
    sleepOnManualMessage: bool | None
    sleepOnWorkflowMessage: bool | None
    sleepTime: float | None
    sleepTimeUnit: str | None
    updatedAt: str | None
    waitTime: float | None
    waitTimeUnit: str | None

class StudioAgentsFields(TypedDict, total=False):
    agentId: str | None
    createdAt: str | None
    description: str | None
    locationId: str | None
    name: str | None
    status: str | None
    updatedAt: str | None

class KnowledgeBasesFields(TypedDict, total=False):
    createdAt: str | None
    deleted: bool | None
    id: str | None
    isDefault: bool | None
    kbMetadata: dict[str, Any] | None
    locationId: str | None
    name: str | None
    nameLowerCase: str | None
    updatedAt: str | None

class KnowledgeFaqsFields(TypedDict, total=False):
    answer: str | None
    createdAt: str | None
    deleted: bool | None
    id: str | None
    knowledgeBaseId: str | None
    locationId: str | None
    question: str | None
    questionLowerCase: str | None
    trainedUrlId: str | None
    updatedAt: str | None

class KnowledgePagesFields(TypedDict, total=False):
    content: str | None
    contentEditedByUser: bool | None
    id: str | None
    knowledgeBaseId: str | None
    locationId: str | None
    status: str | None
    title: str | None
    updatedAt: str | None
    url: str | None

class OrdersFields(TypedDict, total=False):
    _id: str | None
    altId: str | None
    altType: str | None
    amount: float | None
    amountSummary: dict[str, Any] | None
    automaticTaxesCalculated: bool | None
    contactEmail: str | None  # another object's, as old as this copy of it
    contactId: str | None
    contactName: str | None  # another object's, as old as this copy of it
    contactSnapshot: dict[str, Any] | None
    coupon: dict[str, Any] | None
    couponCode: str | None
    createdAt: str | None
    createdBy: str | None
    currency: str | None
    discount: float | None
    fingerprint: str | None
    fulfillmentStatus: str | None
    items: list[str] | None
    liveMode: bool | None
    markAsTest: bool | None
    meta: dict[str, Any] | None
    onetimeProducts: float | None
    recurringProducts: float | None
    source: dict[str, Any] | None
    sourceId: str | None
    sourceMeta: dict[str, Any] | None
    sourceName: str | None
    sourceSubType: str | None
    sourceType: str | None
    status: str | None
    subtotal: float | None
    taxCalculationProvider: dict[str, Any] | None
    totalProducts: float | None
    traceId: str | None
    trackingId: str | None
    updatedAt: str | None

class OrderFulfillmentsFields(TypedDict, total=False):
    _id: str | None
    altId: str | None
    altType: Any
    createdAt: str | None
    items: list[dict[str, Any]] | None
    trackings: list[dict[str, Any]] | None
    updatedAt: str | None

class TransactionsFields(TypedDict, total=False):
    _id: str | None
    altId: str | None
    altType: str | None
    amount: float | None
    amountRefunded: float | None
    chargeId: str | None
    chargeSnapshot: dict[str, Any] | None
    contactEmail: str | None  # another object's, as old as this copy of it
    contactId: str | None
    contactName: str | None  # another object's, as old as this copy of it
    contactSnapshot: dict[str, Any] | None
    createdAt: str | None
    createdBy: str | None
    currency: str | None
    entityId: str | None
    entitySource: dict[str, Any] | None
    entitySourceId: str | None
    entitySourceMeta: dict[str, Any] | None
    entitySourceName: str | None
    entitySourceSubType: str | None
    entitySourceType: str | None
    entityType: str | None
    fulfilledAt: str | None
    invoiceId: str | None
    ipAddress: str | None
    isParent: bool | None
    liveMode: bool | None
    markAsTest: bool | None
    mergedFromContactId: str | None
    meta: dict[str, Any] | None
    paymentMethod: dict[str, Any] | None
    paymentProvider: dict[str, Any] | None
    paymentProviderConnectedAccount: str | None
    paymentProviderType: str | None
    qboResponse: dict[str, Any] | None
    qboSynced: bool | None
    receiptId: str | None
    status: dict[str, Any] | None
    subscriptionId: str | None
    traceId: str | None
    updatedAt: str | None

class SubscriptionsFields(TypedDict, total=False):
    _id: str | None
    altId: str | None
    altType: Any
    amount: float | None
    autoPayment: dict[str, Any] | None
    canceledAt: str | None
    canceledBy: str | None
    contactEmail: str | None  # another object's, as old as this copy of it
    contactId: str | None
    contactName: str | None  # another object's, as old as this copy of it
    contactSnapshot: dict[str, Any] | None
    coupon: dict[str, Any] | None
    createdAt: str | None
    createdBy: str | None
    currency: str | None
    entityId: str | None
    entitySource: dict[str, Any] | None
    entitySourceId: str | None
    entitySourceMeta: dict[str, Any] | None
    entitySourceName: str | None
    entitySourceType: str | None
    entityType: str | None
    ipAddress: str | None
    liveMode: bool | None
    markAsTest: bool | None
    meta: dict[str, Any] | None
    paymentProvider: dict[str, Any] | None
    paymentProviderConnectedAccount: str | None
    paymentProviderType: str | None
    recurringProduct: dict[str, Any] | None
    schedule: dict[str, Any] | None
    status: dict[str, Any] | None
    subscriptionId: str | None
    subscriptionSnapshot: dict[str, Any] | None
    traceId: str | None
    updatedAt: str | None

class CouponsFields(TypedDict, total=False):
    _id: str | None
    altId: str | None
    altType: str | None
    applyToFuturePayments: bool | None
    applyToFuturePaymentsConfig: dict[str, Any] | None
    code: str | None
    createdAt: str | None
    discountType: str | None
    discountValue: float | None
    endDate: str | None
    limitPerCustomer: float | None
    name: str | None
    priceIds: list[str] | None
    productIds: list[str] | None
    startDate: str | None
    status: str | None
    traceId: str | None
    updatedAt: str | None
    usageCount: float | None
    userId: str | None
    variantIds: list[str] | None

class InvoicesFields(TypedDict, total=False):
    _id: str | None
    altId: str | None
    altType: Any
    amountDue: float | None
    amountPaid: float | None
    automaticTaxesCalculated: bool | None
    automaticTaxesEnabled: bool | None
    businessDetails: dict[str, Any] | None
    contactDetails: dict[str, Any] | None
    createdAt: str | None
    currency: str | None
    discount: dict[str, Any] | None
    dueDate: str | None
    invoiceItems: list[str] | None
    invoiceNumber: float | None
    issueDate: str | None
    liveMode: bool | None
    name: str | None
    paymentSchedule: dict[str, Any] | None
    remindersConfiguration: dict[str, Any] | None
    status: str | None
    title: str | None
    total: float | None
    totalSummary: dict[str, Any] | None
    updatedAt: str | None

class InvoiceTemplatesFields(TypedDict, total=False):
    _id: str | None
    altId: str | None
    altType: Any
    businessDetails: dict[str, Any] | None
    createdAt: str | None
    currency: str | None
    discount: dict[str, Any] | None
    invoiceNumberPrefix: str | None
    items: list[str] | None
    name: str | None
    total: float | None
    updatedAt: str | None

class InvoiceSchedulesFields(TypedDict, total=False):
    _id: str | None
    altId: str | None
    altType: Any
    businessDetails: dict[str, Any] | None
    compiledTermsNotes: str | None
    contactDetails: dict[str, Any] | None
    createdAt: str | None
    currency: str | None
    discount: dict[str, Any] | None
    invoices: list[dict[str, Any]] | None
    items: list[str] | None
    liveMode: bool | None
    name: str | None
    schedule: dict[str, Any] | None
    status: dict[str, Any] | None
    termsNotes: str | None
    title: str | None
    total: float | None
    updatedAt: str | None

class ProductsFields(TypedDict, total=False):
    _id: str | None
    automaticTaxCategoryId: str | None
    availableInStore: bool | None
    collectionIds: list[str] | None
    createdAt: str | None
    description: str | None
    image: str | None
    isTaxesEnabled: bool | None
    label: dict[str, Any] | None
    locationId: str | None
    name: str | None
    productType: str | None
    slug: str | None
    statementDescriptor: str | None
    taxes: list[str] | None
    updatedAt: str | None
    variants: list[dict[str, Any]] | None

class PricesFields(TypedDict, total=False):
    _id: str | None
    allowOutOfStockPurchases: bool | None
    amount: float | None
    availableQuantity: float | None
    compareAtPrice: float | None
    createdAt: str | None
    currency: str | None
    locationId: str | None
    membershipOffers: list[dict[str, Any]] | None
    name: str | None
    product: str | None
    recurring: dict[str, Any] | None
    trackInventory: bool | None
    type: str | None
    updatedAt: str | None
    userId: str | None
    variantOptionIds: list[str] | None

class InventoryFields(TypedDict, total=False):
    _id: str | None
    allowOutOfStockPurchases: bool | None
    availableQuantity: float | None
    image: str | None
    name: str | None
    product: str | None
    productName: str | None
    sku: str | None
    updatedAt: str | None

class ShippingZonesFields(TypedDict, total=False):
    _id: str | None
    altId: str | None
    altType: Any
    countries: list[dict[str, Any]] | None
    createdAt: str | None
    name: str | None
    shippingRates: list[dict[str, Any]] | None
    updatedAt: str | None

class ShippingRatesFields(TypedDict, total=False):
    _id: str | None
    altId: str | None
    altType: Any
    amount: float | None
    conditionType: str | None
    createdAt: str | None
    currency: str | None
    description: str | None
    isCarrierRate: bool | None
    maxCondition: float | None
    minCondition: float | None
    name: str | None
    percentageOfRateFee: float | None
    shippingCarrierId: str | None
    shippingCarrierServices: list[dict[str, Any]] | None
    shippingZoneId: str | None
    updatedAt: str | None

class ShippingCarriersFields(TypedDict, total=False):
    _id: str | None
    allowsMultipleServiceSelection: bool | None
    altId: str | None
    altType: Any
    callbackUrl: str | None
    createdAt: str | None
    marketplaceAppId: str | None
    name: str | None
    services: list[dict[str, Any]] | None
    updatedAt: str | None

class AffiliatesFields(TypedDict, total=False):
    _id: str | None
    active: bool | None
    address: str | None
    avatar: str | None
    campaignIds: list[str] | None
    clickCount: float | None
    contactId: str | None
    createdAt: str | None
    createdBy: dict[str, Any] | None
    currency: str | None
    customer: float | None
    deleted: bool | None
    droppedCustomer: float | None
    email: str | None
    facebookUrl: str | None
    firstName: str | None
    instagramUrl: str | None
    lastName: str | None
    lastUpdatedBy: dict[str, Any] | None
    lead: float | None
    linkedInUrl: str | None
    locationId: str | None
    owned: float | None
    paid: float | None
    phone: str | None
    revenue: float | None
    twitterUrl: str | None
    updatedAt: str | None
    vatId: str | None
    w8Form: str | None
    w9Form: str | None
    websiteUrl: str | None
    youtubeUrl: str | None

class CommissionsFields(TypedDict, total=False):
    _id: str | None
    affiliate: dict[str, Any] | None
    affiliateId: str | None
    amount: float | None
    campaign: dict[str, Any] | None
    campaignName: str | None
    commission: float | None
    commissionAmount: float | None
    commissionType: str | None
    createdAt: str | None
    currency: str | None
    customer: dict[str, Any] | None
    dueAt: str | None
    eventId: str | None
    isTrial: bool | None
    liveMode: bool | None
    payoutId: str | None
    productCommission: float | None
    productId: str | None
    productName: str | None
    qty: float | None
    status: str | None
    tier: float | None
    transactionAt: str | None
    transactionId: str | None
    unitDiscount: float | None

class PayoutsFields(TypedDict, total=False):
    _id: str | None
    affiliate: dict[str, Any] | None
    affiliateEmail: str | None
    affiliateId: str | None
    affiliateName: str | None
    altId: str | None
    amount: float | None
    campaign: str | None
    campaignId: str | None
    createdAt: str | None
    currency: str | None
    deleted: bool | None
    dueAt: str | None
    isMigrated: bool | None
    locationId: str | None
    paidAt: str | None
    paidMeta: dict[str, Any] | None
    paidMethod: str | None
    payoutMethod: str | None
    payoutMonth: str | None
    status: str | None
    updatedAt: str | None

class BlogsFields(TypedDict, total=False):
    _id: str | None
    name: str | None

class BlogPostsFields(TypedDict, total=False):
    _id: str | None
    archived: bool | None
    author: str | None
    canonicalLink: str | None
    categories: list[str] | None
    description: str | None
    imageAltText: str | None
    imageUrl: str | None
    publishedAt: str | None
    status: str | None
    tags: list[str] | None
    title: str | None
    updatedAt: str | None
    urlSlug: str | None

class BlogAuthorsFields(TypedDict, total=False):
    _id: str | None
    canonicalLink: str | None
    locationId: str | None
    name: str | None
    updatedAt: str | None

class BlogCategoriesFields(TypedDict, total=False):
    _id: str | None
    canonicalLink: str | None
    label: str | None
    locationId: str | None
    updatedAt: str | None
    urlSlug: str | None

class BrandBoardsFields(TypedDict, total=False):
    _id: str | None
    colors: list[dict[str, Any]] | None
    createdAt: str | None
    default: bool | None
    deleted: bool | None
    folderId: str | None
    fonts: list[dict[str, Any]] | None
    locationId: str | None
    logos: list[dict[str, Any]] | None
    meta: dict[str, Any] | None
    missingAssets: dict[str, Any] | None
    name: str | None
    originId: str | None
    parentId: str | None
    updatedAt: str | None

class BrandVoicesFields(TypedDict, total=False):
    answers: dict[str, Any] | None
    createdAt: str | None
    deleted: bool | None
    id: str | None
    isDefault: bool | None
    locationId: str | None
    name: str | None
    traceId: str | None
    updatedAt: str | None

class SocialPostsFields(TypedDict, total=False):
    _id: str | None
    accountId: str | None
    accountIds: list[str] | None
    blueskyPostDetails: dict[str, Any] | None
    createdAt: str | None
    createdBy: str | None
    displayDate: str | None
    error: str | None
    facebookPostDetails: dict[str, Any] | None
    gmbPostDetails: dict[str, Any] | None
    insights: dict[str, Any] | None
    instagramPostDetails: dict[str, Any] | None
    linkedinPostDetails: dict[str, Any] | None
    locationId: str | None
    media: list[dict[str, Any]] | None
    mediaOptimization: bool | None
    ogTagsDetails: dict[str, Any] | None
    pinterestPostDetails: dict[str, Any] | None
    platform: str | None
    postApprovalDetails: dict[str, Any] | None
    postId: str | None
    publishedAt: str | None
    source: str | None
    status: dict[str, Any] | None
    summary: str | None
    tags: list[str] | None
    thumbnail: str | None
    tiktokPostDetails: dict[str, Any] | None
    type: dict[str, Any] | None
    updatedAt: str | None
    user: dict[str, Any] | None
    youtubePostDetails: dict[str, Any] | None

class SocialAccountsFields(TypedDict, total=False):
    expire: str | None
    id: str | None
    isExpired: bool | None
    meta: dict[str, Any] | None
    name: str | None
    oauthId: str | None
    platform: str | None
    profileId: str | None
    type: str | None

class SocialCategoriesFields(TypedDict, total=False):
    _id: str | None
    createdAt: str | None
    createdBy: str | None
    deleted: bool | None
    locationId: str | None
    name: str | None
    primaryColor: str | None
    secondaryColor: str | None
    updatedAt: str | None

class SocialTagsFields(TypedDict, total=False):
    _id: str | None
    createdAt: str | None
    createdBy: str | None
    deleted: bool | None
    locationId: str | None
    tag: str | None
    updatedAt: str | None

class SocialQueuesFields(TypedDict, total=False):
    _id: str | None
    category: dict[str, Any] | None
    categoryId: str | None
    createdAt: str | None
    createdBy: str | None
    currentOrder: float | None
    currentPostId: str | None
    enableFuturePosts: bool | None
    lastScheduledTime: str | None
    locationId: str | None
    prioritizeNewContent: bool | None
    skipDateTime: list[str] | None
    startDate: str | None
    status: str | None
    timeSlots: list[dict[str, Any]] | None
    totalPosts: float | None
    updatedAt: str | None

class EmailTemplatesFields(TypedDict, total=False):
    childCount: float | None
    createdAt: str | None
    deleted: bool | None
    editorContentUrl: str | None
    editorType: str | None
    fromEmail: str | None
    fromName: str | None
    hasChildren: bool | None
    id: str | None
    isPlainText: bool | None
    name: str | None
    parentFolderId: str | None
    previewText: str | None
    previewUrl: str | None
    subject: str | None
    traceId: str | None
    type: str | None
    updatedAt: str | None

class EmailCampaignsFields(TypedDict, total=False):
    __v: float | None
    _id: str | None
    archived: bool | None
    bulkActionVersion: str | None
    campaignCategory: str | None
    campaignType: str | None
    child: list[str] | None
    childCount: float | None
    createdAt: str | None
    deleted: bool | None
    documentId: str | None
    downloadUrl: str | None
    editorContentUrl: str | None
    editorType: str | None
    enableResendToUnopened: bool | None
    fromEmail: str | None
    fromName: str | None
    hasTracking: bool | None
    hasUtmTracking: bool | None
    id: str | None
    isPlainText: bool | None
    locationId: str | None
    migrated: bool | None
    name: str | None
    parentId: str | None
    previewText: str | None
    repeatAfter: str | None
    replyToAddress: str | None
    sendDays: list[str] | None
    source: str | None
    sourceId: str | None
    status: Any
    subject: str | None
    templateDataDownloadUrl: str | None
    templateId: str | None
    templateType: str | None
    traceId: str | None
    updatedAt: str | None
    variations: list[dict[str, Any]] | None

class WorkflowEmailsFields(TypedDict, total=False):
    createdAt: str | None
    deleted: bool | None
    id: str | None
    name: str | None
    source: str | None
    sourceId: str | None
    status: str | None
    subSources: list[dict[str, Any]] | None
    traceId: str | None
    updatedAt: str | None

class BulkEmailsFields(TypedDict, total=False):
    completedAt: str | None
    createdAt: str | None
    deleted: bool | None
    editorContentUrl: str | None
    editorType: str | None
    emailMetadata: dict[str, Any] | None
    fromEmail: str | None
    fromName: str | None
    id: str | None
    isPlainText: bool | None
    name: str | None
    previewText: str | None
    replyToAddress: str | None
    scheduleType: str | None
    source: str | None
    sourceId: str | None
    status: str | None
    subject: str | None
    traceId: str | None
    updatedAt: str | None

class TextTemplatesFields(TypedDict, total=False):
    dateAdded: str | None
    id: str | None
    locationId: str | None
    name: str | None
    template: dict[str, Any] | None
    type: str | None
    urlAttachments: list[str] | None

class DocumentsFields(TypedDict, total=False):
    _id: str | None
    createdAt: str | None
    deleted: bool | None
    documentId: str | None
    documentRevision: float | None
    fillableFields: list[dict[str, Any]] | None
    grandTotal: dict[str, Any] | None
    isExpired: bool | None
    links: list[dict[str, Any]] | None
    locale: str | None
    locationId: str | None
    name: str | None
    paymentStatus: list[str] | None
    recipients: list[dict[str, Any]] | None
    status: list[str] | None
    type: str | None
    updatedAt: str | None

class DocumentTemplatesFields(TypedDict, total=False):
    _id: str | None
    createdAt: str | None
    deleted: bool | None
    docFormUrl: str | None
    documentCount: float | None
    id: str | None
    isPublicDocument: bool | None
    locationId: str | None
    name: str | None
    type: str | None
    updatedAt: str | None
    updatedBy: str | None
    version: float | None

class CompaniesFields(TypedDict, total=False):
    address: str | None
    affiliatePolicyAcceptedBy: str | None
    affiliatePolicyAcceptedDate: str | None
    affiliatePolicyVersion: str | None
    autoSuspendEnabled: bool | None
    businessAffinityGroup: str | None
    businessCategory: str | None
    businessNiche: str | None
    cancelEnabledForClients: bool | None
    city: str | None
    country: str | None
    currency: str | None
    customerType: str | None
    disableEmailService: bool | None
    domain: str | None
    email: str | None
    enableDepreciatedFeatures: bool | None
    enableNewSubAccountDefaultData: bool | None
    id: str | None
    isEnterpriseAccount: bool | None
    isReselling: bool | None
    isSandboxAccount: bool | None
    locationCount: float | None
    logoUrl: str | None
    name: str | None
    onboardingInfo: dict[str, Any] | None
    phone: str | None
    plan: float | None
    postalCode: str | None
    premiumUpgraded: bool | None
    privacyPolicy: str | None
    privacyPolicyAcceptedBy: str | None
    privacyPolicyAcceptedDate: str | None
    privacyPolicyVersion: str | None
    referralId: str | None
    relationshipNumber: str | None
    saasSettings: dict[str, Any] | None
    spareDomain: str | None
    state: str | None
    status: str | None
    stripeConnectId: str | None
    subdomain: str | None
    termsConditions: str | None
    termsOfServiceAcceptedBy: str | None
    termsOfServiceAcceptedDate: str | None
    termsOfServiceVersion: str | None
    timezone: str | None
    twilioFreeCredits: float | None
    twilioTrialMode: bool | None
    upgradeEnabledForClients: bool | None
    website: str | None

class CompanyLocationsFields(TypedDict, total=False):
    address: str | None
    business: dict[str, Any] | None
    city: str | None
    companyId: str | None
    country: str | None
    domain: str | None
    email: str | None
    firstName: str | None
    id: str | None
    lastName: str | None
    logoUrl: str | None
    name: str | None
    phone: str | None
    postalCode: str | None
    reseller: dict[str, Any] | None
    settings: dict[str, Any] | None
    social: dict[str, Any] | None
    state: str | None
    timezone: str | None
    website: str | None

class CompanyUsersFields(TypedDict, total=False):
    deleted: bool | None
    email: str | None
    extension: str | None
    firstName: str | None
    id: str | None
    lastName: str | None
    lcPhone: dict[str, Any] | None
    name: str | None
    permissions: dict[str, Any] | None
    phone: str | None
    platformLanguage: str | None
    roles: dict[str, Any] | None
    scopes: Any

class CustomMenusFields(TypedDict, total=False):
    allowCamera: bool | None
    allowMicrophone: bool | None
    icon: dict[str, Any] | None
    id: str | None
    locations: list[str] | None
    openMode: str | None
    order: float | None
    showOnCompany: bool | None
    showOnLocation: bool | None
    showToAllLocations: bool | None
    title: str | None
    url: str | None
    userRole: str | None

class SnapshotsFields(TypedDict, total=False):
    id: str | None
    name: str | None
    type: str | None

class SnapshotPushesFields(TypedDict, total=False):
    dateAdded: str | None
    id: str | None
    locationId: str | None
    status: str | None

class SaasPlansFields(TypedDict, total=False):
    addOns: list[str] | None
    categoryId: str | None
    companyId: str | None
    contactLimit: float | None
    createdAt: str | None
    description: str | None
    isSaaSV2: bool | None
    planId: str | None
    planLevel: float | None
    prices: list[dict[str, Any]] | None
    productId: str | None
    providerLocationId: str | None
    saasProducts: list[str] | None
    setupFee: float | None
    snapshotId: str | None
    title: str | None
    trialPeriod: float | None
    updatedAt: str | None
    userLimit: float | None

class SaasLocationsFields(TypedDict, total=False):
    companyId: str | None
    customerId: str | None
    email: str | None
    isSaaSV2: bool | None
    locationId: str | None
    name: str | None
    providerLocationId: str | None
    saasMode: str | None
    subscriptionId: str | None
    subscriptionInfo: dict[str, Any] | None

class SaasSubscriptionsFields(TypedDict, total=False):
    companyId: str | None
    customerId: str | None
    isSaaSV2: bool | None
    locationId: str | None
    priceId: str | None
    productId: str | None
    saasMode: str | None
    saasPlanId: str | None
    subscriptionId: str | None
    subscriptionStatus: str | None

class Synced:
    contacts: RecordSelection[ContactsFields]
    opportunities: RecordSelection[OpportunitiesFields]
    pipelines: RecordSelection[PipelinesFields]
    users: RecordSelection[UsersFields]
    calendars: RecordSelection[CalendarsFields]
    notes: RecordSelection[NotesFields]
    tasks: RecordSelection[TasksFields]
    tags: RecordSelection[TagsFields]
    businesses: RecordSelection[BusinessesFields]
    conversations: RecordSelection[ConversationsFields]
    messages: RecordSelection[MessagesFields]
    calendar_groups: RecordSelection[CalendarGroupsFields]
    calendar_events: RecordSelection[CalendarEventsFields]
    blocked_slots: RecordSelection[BlockedSlotsFields]
    schedules: RecordSelection[SchedulesFields]
    calendar_notifications: RecordSelection[CalendarNotificationsFields]
    appointment_notes: RecordSelection[AppointmentNotesFields]
    services: RecordSelection[ServicesFields]
    service_locations: RecordSelection[ServiceLocationsFields]
    service_bookings: RecordSelection[ServiceBookingsFields]
    locations: RecordSelection[LocationsFields]
    custom_fields: RecordSelection[CustomFieldsFields]
    custom_values: RecordSelection[CustomValuesFields]
    lost_reasons: RecordSelection[LostReasonsFields]
    phone_numbers: RecordSelection[PhoneNumbersFields]
    number_pools: RecordSelection[NumberPoolsFields]
    charges: RecordSelection[ChargesFields]
    custom_objects: RecordSelection[CustomObjectsFields]
    custom_object_fields: RecordSelection[CustomObjectFieldsFields]
    custom_records: RecordSelection[CustomRecordsFields]
    associations: RecordSelection[AssociationsFields]
    relations: RecordSelection[dict[str, Any]]
    forms: RecordSelection[FormsFields]
    form_submissions: RecordSelection[FormSubmissionsFields]
    surveys: RecordSelection[SurveysFields]
    survey_submissions: RecordSelection[SurveySubmissionsFields]
    campaigns: RecordSelection[CampaignsFields]
    workflows: RecordSelection[WorkflowsFields]
    trigger_links: RecordSelection[TriggerLinksFields]
    voice_agents: RecordSelection[VoiceAgentsFields]
    voice_call_logs: RecordSelection[VoiceCallLogsFields]
    conversation_agents: RecordSelection[ConversationAgentsFields]
    studio_agents: RecordSelection[StudioAgentsFields]
    knowledge_bases: RecordSelection[KnowledgeBasesFields]
    knowledge_faqs: RecordSelection[KnowledgeFaqsFields]
    knowledge_pages: RecordSelection[KnowledgePagesFields]
    orders: RecordSelection[OrdersFields]
    order_fulfillments: RecordSelection[OrderFulfillmentsFields]
    transactions: RecordSelection[TransactionsFields]
    subscriptions: RecordSelection[SubscriptionsFields]
    coupons: RecordSelection[CouponsFields]
    invoices: RecordSelection[InvoicesFields]
    invoice_templates: RecordSelection[InvoiceTemplatesFields]
    invoice_schedules: RecordSelection[InvoiceSchedulesFields]
    estimates: RecordSelection[dict[str, Any]]
    estimate_templates: RecordSelection[dict[str, Any]]
    products: RecordSelection[ProductsFields]
    prices: RecordSelection[PricesFields]
    inventory: RecordSelection[InventoryFields]
    product_collections: RecordSelection[dict[str, Any]]
    product_reviews: RecordSelection[dict[str, Any]]
    shipping_zones: RecordSelection[ShippingZonesFields]
    shipping_rates: RecordSelection[ShippingRatesFields]
    shipping_carriers: RecordSelection[ShippingCarriersFields]
    affiliates: RecordSelection[AffiliatesFields]
    commissions: RecordSelection[CommissionsFields]
    payouts: RecordSelection[PayoutsFields]
    blogs: RecordSelection[BlogsFields]
    blog_posts: RecordSelection[BlogPostsFields]
    blog_authors: RecordSelection[BlogAuthorsFields]
    blog_categories: RecordSelection[BlogCategoriesFields]
    funnels: RecordSelection[dict[str, Any]]
    funnel_pages: RecordSelection[dict[str, Any]]
    redirects: RecordSelection[dict[str, Any]]
    media: RecordSelection[dict[str, Any]]
    brand_boards: RecordSelection[BrandBoardsFields]
    brand_voices: RecordSelection[BrandVoicesFields]
    social_posts: RecordSelection[SocialPostsFields]
    social_accounts: RecordSelection[SocialAccountsFields]
    social_categories: RecordSelection[SocialCategoriesFields]
    social_tags: RecordSelection[SocialTagsFields]
    social_queues: RecordSelection[SocialQueuesFields]
    email_templates: RecordSelection[EmailTemplatesFields]
    email_campaigns: RecordSelection[EmailCampaignsFields]
    workflow_emails: RecordSelection[WorkflowEmailsFields]
    bulk_emails: RecordSelection[BulkEmailsFields]
    text_templates: RecordSelection[TextTemplatesFields]
    documents: RecordSelection[DocumentsFields]
    document_templates: RecordSelection[DocumentTemplatesFields]
    companies: RecordSelection[CompaniesFields]
    company_locations: RecordSelection[CompanyLocationsFields]
    company_users: RecordSelection[CompanyUsersFields]
    custom_menus: RecordSelection[CustomMenusFields]
    snapshots: RecordSelection[SnapshotsFields]
    snapshot_pushes: RecordSelection[SnapshotPushesFields]
    saas_plans: RecordSelection[SaasPlansFields]
    saas_locations: RecordSelection[SaasLocationsFields]
    saas_subscriptions: RecordSelection[SaasSubscriptionsFields]
    def __call__(self, app: App, location_id: str, resource: str) -> QuerySet[Record]: ...
    def __getattr__(self, name: str) -> RecordSelection[Any]: ...

records: Synced
