//! The records of the camera `cam1:` and its image plugin `image1:`.

/// Record definitions with the macro `P`.
pub(crate) const RECORDS: &str = r#"
record(stringin, "$(P)cam1:Manufacturer_RBV") { field(VAL, "Simulated detector") field(ASG, "readonly") }
record(stringin, "$(P)cam1:Model_RBV") { field(VAL, "Basic simulator") field(ASG, "readonly") }
record(longin, "$(P)cam1:MaxSizeX_RBV") { field(VAL, "1024") field(ASG, "readonly") }
record(longin, "$(P)cam1:MaxSizeY_RBV") { field(VAL, "1024") field(ASG, "readonly") }
record(longout, "$(P)cam1:MinX") { field(VAL, "0") }
record(longout, "$(P)cam1:MinY") { field(VAL, "0") }
record(longout, "$(P)cam1:SizeX") { field(VAL, "256") }
record(longout, "$(P)cam1:SizeY") { field(VAL, "192") }
record(longout, "$(P)cam1:BinX") { field(VAL, "1") }
record(longout, "$(P)cam1:BinY") { field(VAL, "1") }
record(longin, "$(P)cam1:MinX_RBV") { field(ASG, "readonly") }
record(longin, "$(P)cam1:MinY_RBV") { field(ASG, "readonly") }
record(longin, "$(P)cam1:SizeX_RBV") { field(ASG, "readonly") }
record(longin, "$(P)cam1:SizeY_RBV") { field(ASG, "readonly") }
record(longin, "$(P)cam1:BinX_RBV") { field(ASG, "readonly") }
record(longin, "$(P)cam1:BinY_RBV") { field(ASG, "readonly") }
record(longin, "$(P)cam1:ArraySizeX_RBV") { field(ASG, "readonly") }
record(longin, "$(P)cam1:ArraySizeY_RBV") { field(ASG, "readonly") }
record(longin, "$(P)cam1:ArraySizeZ_RBV") { field(ASG, "readonly") }
record(longin, "$(P)cam1:ArraySize_RBV") { field(DESC, "Bytes of an array") field(ASG, "readonly") }
record(mbbo, "$(P)cam1:ColorMode") {
    field(ZRVL, "0") field(ONVL, "1") field(TWVL, "2") field(THVL, "3")
    field(ZRST, "Mono") field(ONST, "RGB1") field(TWST, "RGB2") field(THST, "RGB3") field(VAL, "0") }
record(mbbi, "$(P)cam1:ColorMode_RBV") {
    field(ZRVL, "0") field(ONVL, "1") field(TWVL, "2") field(THVL, "3")
    field(ZRST, "Mono") field(ONST, "RGB1") field(TWST, "RGB2") field(THST, "RGB3") field(ASG, "readonly") }
record(mbbo, "$(P)cam1:DataType") {
    field(ZRVL, "0") field(ONVL, "1") field(TWVL, "2") field(THVL, "3")
    field(ZRST, "Int8") field(ONST, "UInt8") field(TWST, "Int16") field(THST, "UInt16") field(VAL, "1") }
record(mbbi, "$(P)cam1:DataType_RBV") {
    field(ZRVL, "0") field(ONVL, "1") field(TWVL, "2") field(THVL, "3")
    field(ZRST, "Int8") field(ONST, "UInt8") field(TWST, "Int16") field(THST, "UInt16") field(ASG, "readonly") }
record(mbbo, "$(P)cam1:ImageMode") {
    field(ZRVL, "0") field(ONVL, "1") field(TWVL, "2")
    field(ZRST, "Single") field(ONST, "Multiple") field(TWST, "Continuous") field(VAL, "2") }
record(mbbi, "$(P)cam1:ImageMode_RBV") {
    field(ZRVL, "0") field(ONVL, "1") field(TWVL, "2")
    field(ZRST, "Single") field(ONST, "Multiple") field(TWST, "Continuous") field(ASG, "readonly") }
record(mbbo, "$(P)cam1:TriggerMode") { field(ZRVL, "0") field(ZRST, "Internal") field(VAL, "0") }
record(mbbi, "$(P)cam1:TriggerMode_RBV") { field(ZRVL, "0") field(ZRST, "Internal") field(ASG, "readonly") }
record(busy, "$(P)cam1:Acquire") { field(ZNAM, "Done") field(ONAM, "Acquire") }
record(bi, "$(P)cam1:Acquire_RBV") { field(ZNAM, "Done") field(ONAM, "Acquire") field(ASG, "readonly") }
record(mbbi, "$(P)cam1:DetectorState_RBV") {
    field(ZRVL, "0") field(ONVL, "1") field(ZRST, "Idle") field(ONST, "Acquire") field(ASG, "readonly") }
record(ao, "$(P)cam1:AcquireTime") {
    field(EGU, "s") field(PREC, "3") field(VAL, "0.2") field(DRVL, "0") field(DRVH, "1e6") }
record(ai, "$(P)cam1:AcquireTime_RBV") { field(EGU, "s") field(PREC, "3") field(ASG, "readonly") }
record(ao, "$(P)cam1:AcquirePeriod") {
    field(EGU, "s") field(PREC, "3") field(VAL, "0.005") field(DRVL, "0") field(DRVH, "1e6") }
record(ai, "$(P)cam1:AcquirePeriod_RBV") { field(EGU, "s") field(PREC, "3") field(ASG, "readonly") }
record(ao, "$(P)cam1:Gain") { field(PREC, "3") field(VAL, "1") field(DRVL, "0") field(DRVH, "1e6") }
record(ai, "$(P)cam1:Gain_RBV") { field(PREC, "3") field(ASG, "readonly") }
record(longout, "$(P)cam1:NumImages") { field(VAL, "1") field(DRVL, "1") field(DRVH, "2147483647") }
record(longin, "$(P)cam1:NumImages_RBV") { field(ASG, "readonly") }
record(longin, "$(P)cam1:NumImagesCounter_RBV") { field(ASG, "readonly") }
record(longout, "$(P)cam1:ArrayCounter") { field(VAL, "0") }
record(longin, "$(P)cam1:ArrayCounter_RBV") { field(ASG, "readonly") }
record(bo, "$(P)image1:EnableCallbacks") { field(ZNAM, "Disable") field(ONAM, "Enable") field(VAL, "1") }
record(bi, "$(P)image1:EnableCallbacks_RBV") {
    field(ZNAM, "Disable") field(ONAM, "Enable") field(ASG, "readonly") }
record(waveform, "$(P)image1:ArrayData") { field(FTVL, "LONG") field(NELM, "3145728") field(ASG, "readonly") }
record(longin, "$(P)image1:ArrayCounter_RBV") { field(ASG, "readonly") }
record(longin, "$(P)image1:UniqueId_RBV") { field(ASG, "readonly") }
record(ai, "$(P)image1:TimeStamp_RBV") { field(EGU, "s") field(PREC, "3") field(ASG, "readonly") }
record(longin, "$(P)image1:NDimensions_RBV") { field(ASG, "readonly") }
record(waveform, "$(P)image1:Dimensions_RBV") { field(FTVL, "LONG") field(NELM, "10") field(ASG, "readonly") }
record(longin, "$(P)image1:ArraySize0_RBV") { field(ASG, "readonly") }
record(longin, "$(P)image1:ArraySize1_RBV") { field(ASG, "readonly") }
record(longin, "$(P)image1:ArraySize2_RBV") { field(ASG, "readonly") }
record(longin, "$(P)image1:ArraySize_RBV") { field(DESC, "Elements of the array") field(ASG, "readonly") }
record(mbbi, "$(P)image1:ColorMode_RBV") {
    field(ZRVL, "0") field(ONVL, "1") field(TWVL, "2") field(THVL, "3")
    field(ZRST, "Mono") field(ONST, "RGB1") field(TWST, "RGB2") field(THST, "RGB3") field(ASG, "readonly") }
record(mbbi, "$(P)image1:DataType_RBV") {
    field(ZRVL, "0") field(ONVL, "1") field(TWVL, "2") field(THVL, "3")
    field(ZRST, "Int8") field(ONST, "UInt8") field(TWST, "Int16") field(THST, "UInt16") field(ASG, "readonly") }
"#;
