"""FIX 4.4 as far as it is served: what `gateway.fix` checks messages from clients against."""

import string

from gateway.dictionary import Dictionary, Group, parse_fields, parse_layout

# tag, name, type, the values allowed (none: any). Types whose lists FIX leaves open to agreement have none
# here.
FIELDS = parse_fields(
    """
1 Account STRING
7 BeginSeqNo SEQNUM
8 BeginString STRING
9 BodyLength LENGTH
10 CheckSum STRING
11 ClOrdID STRING
12 Commission AMT
13 CommType CHAR 1 2 3 4 5 6
15 Currency CURRENCY
16 EndSeqNo SEQNUM
18 ExecInst MULTIPLEVALUESTRING 0..9 A..Z a..e
21 HandlInst CHAR 1 2 3
22 SecurityIDSource STRING 1 2 3 4 5 6 7 8 9 A B C D E F G H I J
23 IOIID STRING
34 MsgSeqNum SEQNUM
35 MsgType STRING
36 NewSeqNo SEQNUM
37 OrderID STRING
38 OrderQty QTY
40 OrdType CHAR 1 2 3 4 6 7 8 9 D E G I J K L M P
41 OrigClOrdID STRING
43 PossDupFlag BOOLEAN
44 Price PRICE
45 RefSeqNum SEQNUM
48 SecurityID STRING
49 SenderCompID STRING
50 SenderSubID STRING
52 SendingTime UTCTIMESTAMP
54 Side CHAR 1 2 3 4 5 6 7 8 9 A B C D E F G
55 Symbol STRING
56 TargetCompID STRING
57 TargetSubID STRING
58 Text STRING
59 TimeInForce CHAR 0 1 2 3 4 5 6 7
60 TransactTime UTCTIMESTAMP
63 SettlType CHAR 0 1 2 3 4 5 6 7 8 9
64 SettlDate LOCALMKTDATE
65 SymbolSfx STRING
66 ListID STRING
70 AllocID STRING
75 TradeDate LOCALMKTDATE
77 PositionEffect CHAR C F O R
78 NoAllocs NUMINGROUP
79 AllocAccount STRING
80 AllocQty QTY
81 ProcessCode CHAR 0 1 2 3 4 5 6
89 Signature DATA
90 SecureDataLen LENGTH
91 SecureData DATA
93 SignatureLength LENGTH
95 RawDataLength LENGTH
96 RawData DATA
97 PossResend BOOLEAN
98 EncryptMethod INT 0..6
99 StopPx PRICE
100 ExDestination EXCHANGE
106 Issuer STRING
107 SecurityDesc STRING
108 HeartBtInt INT
110 MinQty QTY
111 MaxFloor QTY
112 TestReqID STRING
114 LocateReqd BOOLEAN
115 OnBehalfOfCompID STRING
116 OnBehalfOfSubID STRING
117 QuoteID STRING
120 SettlCurrency CURRENCY
121 ForexReq BOOLEAN
122 OrigSendingTime UTCTIMESTAMP
123 GapFillFlag BOOLEAN
126 ExpireTime UTCTIMESTAMP
128 DeliverToCompID STRING
129 DeliverToSubID STRING
140 PrevClosePx PRICE
141 ResetSeqNumFlag BOOLEAN
142 SenderLocationID STRING
143 TargetLocationID STRING
144 OnBehalfOfLocationID STRING
145 DeliverToLocationID STRING
152 CashOrderQty QTY
167 SecurityType STRING
168 EffectiveTime UTCTIMESTAMP
192 OrderQty2 QTY
193 SettlDate2 LOCALMKTDATE
200 MaturityMonthYear MONTHYEAR
201 PutOrCall INT 0 1
202 StrikePrice PRICE
203 CoveredOrUncovered INT 0 1
206 OptAttribute CHAR
207 SecurityExchange EXCHANGE
210 MaxShow QTY
211 PegOffsetValue FLOAT
212 XmlDataLen LENGTH
213 XmlData DATA
218 Spread PRICEOFFSET
220 BenchmarkCurveCurrency CURRENCY
221 BenchmarkCurveName STRING
222 BenchmarkCurvePoint STRING
223 CouponRate PERCENTAGE
224 CouponPaymentDate LOCALMKTDATE
225 IssueDate LOCALMKTDATE
226 RepurchaseTerm INT
227 RepurchaseRate PERCENTAGE
228 Factor FLOAT
229 TradeOriginationDate LOCALMKTDATE
231 ContractMultiplier FLOAT
232 NoStipulations NUMINGROUP
233 StipulationType STRING
234 StipulationValue STRING
235 YieldType STRING
236 Yield PERCENTAGE
239 RepoCollateralSecurityType STRING
240 RedemptionDate LOCALMKTDATE
241 UnderlyingCouponPaymentDate LOCALMKTDATE
242 UnderlyingIssueDate LOCALMKTDATE
243 UnderlyingRepoCollateralSecurityType STRING
244 UnderlyingRepurchaseTerm INT
245 UnderlyingRepurchaseRate PERCENTAGE
246 UnderlyingFactor FLOAT
247 UnderlyingRedemptionDate LOCALMKTDATE
255 CreditRating STRING
256 UnderlyingCreditRating STRING
305 UnderlyingSecurityIDSource STRING
306 UnderlyingIssuer STRING
307 UnderlyingSecurityDesc STRING
308 UnderlyingSecurityExchange EXCHANGE
309 UnderlyingSecurityID STRING
310 UnderlyingSecurityType STRING
311 UnderlyingSymbol STRING
312 UnderlyingSymbolSfx STRING
313 UnderlyingMaturityMonthYear MONTHYEAR
315 UnderlyingPutOrCall INT
316 UnderlyingStrikePrice PRICE
317 UnderlyingOptAttribute CHAR
318 UnderlyingCurrency CURRENCY
336 TradingSessionID STRING
347 MessageEncoding STRING
348 EncodedIssuerLen LENGTH
349 EncodedIssuer DATA
350 EncodedSecurityDescLen LENGTH
351 EncodedSecurityDesc DATA
354 EncodedTextLen LENGTH
355 EncodedText DATA
362 EncodedUnderlyingIssuerLen LENGTH
363 EncodedUnderlyingIssuer DATA
364 EncodedUnderlyingSecurityDescLen LENGTH
365 EncodedUnderlyingSecurityDesc DATA
369 LastMsgSeqNumProcessed SEQNUM
371 RefTagID INT
372 RefMsgType STRING
373 SessionRejectReason INT 0 1 10 11 12 13 14 15 16 17 2 3 4 5 6 7 8 9 99
376 ComplianceID STRING
377 SolicitedFlag BOOLEAN
379 BusinessRejectRefID STRING
380 BusinessRejectReason INT 0..7
383 MaxMessageSize LENGTH
384 NoMsgTypes NUMINGROUP
385 MsgDirection CHAR R S
386 NoTradingSessions NUMINGROUP
388 DiscretionInst CHAR 0 1 2 3 4 5 6
389 DiscretionOffsetValue FLOAT
423 PriceType INT 1..11
427 GTBookingInst INT 0 1 2
432 ExpireDate LOCALMKTDATE
435 UnderlyingCouponRate PERCENTAGE
436 UnderlyingContractMultiplier FLOAT
447 PartyIDSource CHAR 1 2 3 4 5 6 7 8 9 A B C D E F G H I
448 PartyID STRING
452 PartyRole INT 1..38
453 NoPartyIDs NUMINGROUP
454 NoSecurityAltID NUMINGROUP
455 SecurityAltID STRING
456 SecurityAltIDSource STRING
457 NoUnderlyingSecurityAltID NUMINGROUP
458 UnderlyingSecurityAltID STRING
459 UnderlyingSecurityAltIDSource STRING
460 Product INT 1..13
461 CFICode STRING
462 UnderlyingProduct INT
463 UnderlyingCFICode STRING
464 TestMessageIndicator BOOLEAN
467 IndividualAllocID STRING
468 RoundingDirection CHAR 0 1 2
469 RoundingModulus FLOAT
470 CountryOfIssue COUNTRY
471 StateOrProvinceOfIssue STRING
472 LocaleOfIssue STRING
479 CommCurrency CURRENCY
480 CancellationRights CHAR M N O Y
481 MoneyLaunderingStatus CHAR 1 2 3 N Y
494 Designation STRING
497 FundRenewWaiv CHAR N Y
513 RegistID STRING
516 OrderPercent PERCENTAGE
523 PartySubID STRING
524 NestedPartyID STRING
525 NestedPartyIDSource CHAR
526 SecondaryClOrdID STRING
528 OrderCapacity CHAR A G I P R W
529 OrderRestrictions MULTIPLEVALUESTRING 1 2 3 4 5 6 7 8 9 A
530 MassCancelRequestType CHAR 1 2 3 4 5 6 7
538 NestedPartyRole INT
539 NoNestedPartyIDs NUMINGROUP
541 MaturityDate LOCALMKTDATE
542 UnderlyingMaturityDate LOCALMKTDATE
543 InstrRegistry STRING
544 CashMargin CHAR 1 2 3
545 NestedPartySubID STRING
553 Username STRING
554 Password STRING
581 AccountType INT 1 2 3 4 6 7 8
582 CustOrderCapacity INT 1 2 3 4
583 ClOrdLinkID STRING
584 MassStatusReqID STRING
585 MassStatusReqType INT 1..8
586 OrigOrdModTime UTCTIMESTAMP
589 DayBookingInst CHAR 0 1 2
590 BookingUnit CHAR 0 1 2
591 PreallocMethod CHAR 0 1
592 UnderlyingCountryOfIssue COUNTRY
593 UnderlyingStateOrProvinceOfIssue STRING
594 UnderlyingLocaleOfIssue STRING
595 UnderlyingInstrRegistry STRING
625 TradingSessionSubID STRING
627 NoHops NUMINGROUP
628 HopCompID STRING
629 HopSendingTime UTCTIMESTAMP
630 HopRefID SEQNUM
635 ClearingFeeIndicator STRING 1 2 3 4 5 9 B C E F H I L M
640 Price2 PRICE
660 AcctIDSource INT 1 2 3 4 5 99
661 AllocAcctIDSource INT
662 BenchmarkPrice PRICE
663 BenchmarkPriceType INT
667 ContractSettlMonth MONTHYEAR
691 Pool STRING
696 YieldRedemptionDate LOCALMKTDATE
697 YieldRedemptionPrice PRICE
698 YieldRedemptionPriceType INT
699 BenchmarkSecurityID STRING
701 YieldCalcDate LOCALMKTDATE
711 NoUnderlyings NUMINGROUP
736 AllocSettlCurrency CURRENCY
761 BenchmarkSecurityIDSource STRING
762 SecuritySubType STRING
763 UnderlyingSecuritySubType STRING
775 BookingType INT 0 1 2
788 TerminationType INT 1 2 3 4
789 NextExpectedMsgSeqNum SEQNUM
790 OrdStatusReqID STRING
802 NoPartySubIDs NUMINGROUP
803 PartySubIDType INT 1..26
804 NoNestedPartySubIDs NUMINGROUP
805 NestedPartySubIDType INT
810 UnderlyingPx PRICE
835 PegMoveType INT 0 1
836 PegOffsetType INT 0 1 2 3
837 PegLimitType INT 0 1 2
838 PegRoundDirection INT 1 2
840 PegScope INT 1 2 3 4
841 DiscretionMoveType INT 0 1
842 DiscretionOffsetType INT 0 1 2 3
843 DiscretionLimitType INT 0 1 2
844 DiscretionRoundDirection INT 1 2
846 DiscretionScope INT 1 2 3 4
847 TargetStrategy INT 1 2 3
848 TargetStrategyParameters STRING
849 ParticipationRate PERCENTAGE
854 QtyType INT 0 1
864 NoEvents NUMINGROUP
865 EventType INT 1 2 3 4 99
866 EventDate LOCALMKTDATE
867 EventPx PRICE
868 EventText STRING
873 DatedDate LOCALMKTDATE
874 InterestAccrualDate LOCALMKTDATE
875 CPProgram INT 1 2 99
876 CPRegType STRING
877 UnderlyingCPProgram STRING
878 UnderlyingCPRegType STRING
879 UnderlyingQty QTY
882 UnderlyingDirtyPrice PRICE
883 UnderlyingEndPrice PRICE
884 UnderlyingStartValue AMT
885 UnderlyingCurrentValue AMT
886 UnderlyingEndValue AMT
887 NoUnderlyingStips NUMINGROUP
888 UnderlyingStipType STRING
889 UnderlyingStipValue STRING
898 MarginRatio PERCENTAGE
913 AgreementDesc STRING
914 AgreementID STRING
915 AgreementDate LOCALMKTDATE
916 StartDate LOCALMKTDATE
917 EndDate LOCALMKTDATE
918 AgreementCurrency CURRENCY
919 DeliveryType INT 0 1 2 3
941 UnderlyingStrikeCurrency CURRENCY
947 StrikeCurrency CURRENCY
"""
)

# Tags up to 956 that FIX 4.4 does not define (never given out, or withdrawn by then).
UNDEFINED = {
    20, 24, 46, 47, 51, 76, 86, 92, 101, 105, 109, 125, 166, *range(173, 188), 204, 205, 219, 261, 314, 319,
    370,
    439, 440, 449, 450, 465, 653, 685, 809, 831,
}  # fmt: skip
LAST_TAG = 956

MESSAGE_TYPES = frozenset(
    [*string.digits, *(set(string.ascii_letters) - {"I", "O", "U"})]
    + ["A" + letter for letter in string.ascii_uppercase]
    + ["B" + letter for letter in "ABCDEFGH"]
)

COMPONENTS = {
    "Parties": "453(448 447 452 802(523 803))",
    "Allocations": "78(79 661 736 467 539(524 525 538 804(545 805)) 80)",
    "TradingSessions": "386(336 625)",
    "Instrument": """65 48 22 454(455 456) 460 461 167 762 200 541 201 224 225 239 226 227 228 255 543 470
        471 472 240
        202 947 206 231 223 207 106 348 349 107 350 351 691 667 875 876 864(865 866 867 868) 873 874""",
    "Financing": "913 914 915 918 788 916 917 919 898",
    "Underlying": """311 312 309 305 457(458 459) 462 463 310 763 313 542 315 241 242 243 244 245 246 256
        595 592 593
        594 247 316 941 317 436 435 308 306 362 363 307 364 365 877 878 318 879 810 882 883 884 885 886
        887(888 889)""",
    "Underlyings": "711(@Underlying)",
    "Quantity": "38 152 516 468 469",
    "Yield": "235 236 701 696 697 698",
    "Spread": "218 220 221 222 662 663 699 761",
    "Commission": "12 13 479 497",
    "Peg": "211 835 836 837 838 840",
    "Discretion": "388 389 841 842 843 844 846",
    "Text": "58 354 355",
    # what a new order and a replacement have in common
    "Order": """11! 526 583 @Parties 229 75 1 660 581 589 590 591 70 @Allocations 63 64 544 635 21 18 110
        111 100
        @TradingSessions 55! @Instrument @Financing @Underlyings 54! 114 60! 854 @Quantity 40! 423 44 99
        @Spread
        @Yield 15 376 377 59 168 432 126 427 @Commission 528 529 582 121 120 775 @Text 193 192 640 77 203
        210 @Peg
        @Discretion 847 848 849 480 481 513 494""",
}

HEADER = """8! 9! 35! 49! 56! 115 128 90 91 34! 50 142 57 143 116 144 129 145 43 97 52! 122 212 213 347 369
    627(628 629 630)"""
TRAILER = "93 89 10!"

MESSAGES = {
    "0": "112",
    "1": "112!",
    "2": "7! 16!",
    "3": "45! 371 372 373 @Text",
    "4": "123 36!",
    "5": "@Text",
    "A": "98! 108! 95 96 141 789 383 384(372 385) 464 553 554",
    "D": "@Order 81 140 232(233 234) 23 117",
    "F": """41! 37 11! 526 583 66 586 1 660 581 @Parties 55! @Instrument @Financing @Underlyings 54! 60!
        @Quantity
        376 @Text""",
    "G": "@Order 37 41! 66 586",
    "H": "37 11! 526 583 @Parties 790 1 660 55! @Instrument @Financing @Underlyings 54!",
    "j": "45 372! 379 380! @Text",
    "q": "11! 526 530! 336 625 55 @Instrument @Underlying 54 60! @Text",
    "AF": "584! 585! @Parties 1 660 336 625 55 @Instrument @Underlying 54",
}

# Length field -> data field, wherever they stand.
LENGTHS = {90: 91, 93: 89, 95: 96, 212: 213, 348: 349, 350: 351, 354: 355, 362: 363, 364: 365}

# Other ways to say how much, at what price and when an order works: an order that has one is refused by name.
UNSERVED = frozenset(
    tag
    for text in (
        "99 110 111 126 168 192 193 210 432 640 847 848 849",
        "152 516 468 469",
        COMPONENTS["Spread"],
        COMPONENTS["Peg"],
        COMPONENTS["Discretion"],
    )
    for tag in map(int, text.split())
)


def _build() -> Dictionary:
    groups: dict[int, Group] = {}
    return Dictionary(
        begin_string="FIX.4.4",
        fields=FIELDS,
        defined=frozenset(range(1, LAST_TAG + 1)) - UNDEFINED,
        message_types=MESSAGE_TYPES,
        header=parse_layout(HEADER, COMPONENTS, groups),
        trailer=parse_layout(TRAILER, COMPONENTS, groups),
        messages={kind: parse_layout(text, COMPONENTS, groups) for kind, text in MESSAGES.items()},
        groups=groups,
        lengths=LENGTHS,
        unserved=UNSERVED,
    )


FIX44 = _build()
