#!/usr/bin/env pwsh
#Requires -Version 7.6

<#
.SYNOPSIS
Compares the image schemas of this project with those of a criu checkout, field by field.

.DESCRIPTION
Compared are the messages, fields (number, label, type, default) and enum values of src/PSCrac.Native/Images/Format/Schemas
with those of criu's images/*.proto, and the magics of Images/Format/ImageType.cs with those of criu/include/magic.h. Both
sets of schemas are compiled by the protoc that the build uses (Grpc.Tools). Each difference is a line of output. The exit
code is 1 where there is one, 0 where there is none, and 2 where nothing could be compared.

.EXAMPLE
./tools/Compare-ImageSchema.ps1 ../criu

Compares with the checkout in ../criu, whatever commit that is at.
#>
[CmdletBinding()]
param(
    # The folder of the checkout.
    [Parameter(Mandatory, Position = 0)]
    [string] $CriuPath
)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false

$project = Join-Path $PSScriptRoot '../src/PSCrac.Native'
$descriptorSet = 'google.protobuf.FileDescriptorSet'

# Not part of an image: requests to criu, the image streamer's protocol, and what schemas say of fields beyond their type.
$notOfImages = 'rpc.proto', 'img-streamer.proto', 'opts.proto', 'annotations.proto'

function Find-Protoc {
    $found = (dotnet msbuild $project -t:PrepareImageSchemaPaths -getProperty:PkgGrpc_Tools -getProperty:ProtocPlatform | ConvertFrom-Json).Properties
    if (-not $found.PkgGrpc_Tools) {
        throw 'Grpc.Tools is not there. ./build.sh build brings it.'
    }
    "$($found.PkgGrpc_Tools)/tools/$($found.ProtocPlatform)/protoc"
    "$($found.PkgGrpc_Tools)/build/native/include"
}

# protobuf's text format: 'name: value' is a field, 'name {' to '}' a message in it. A name that is not there is no field.
function ConvertFrom-ProtobufText([string[]] $Lines) {
    $open = [Collections.Generic.Stack[hashtable]]::new()
    $open.Push(@{})
    switch -Regex ($Lines) {
        '^\s*(\w+) \{$' {
            $message = @{}
            $open.Peek()[$Matches[1]] += @($message)
            $open.Push($message)
        }
        '^\s*\}$' { $null = $open.Pop() }
        '^\s*(\w+): "?(.*?)"?$' { $open.Peek()[$Matches[1]] = $Matches[2] }
    }
    $open.Pop()
}

# Everything that a message and what is declared in it say: a name, and what it stands for.
function Add-Message([hashtable] $Names, [hashtable] $Message, [string] $Scope) {
    $name = "$Scope$($Message.name)"
    $Names[$name] = 'message'
    foreach ($field in $Message['field']) {
        $type = $field['type_name'] ?? $field.type.Replace('TYPE_', '').ToLowerInvariant()
        $label = $field.label.Replace('LABEL_', '').ToLowerInvariant()
        $default = $field.ContainsKey('default_value') ? ", $($field.default_value) where it is absent" : ''
        $Names["$name.$($field.name)"] = "$label $($type.TrimStart('.')) = $($field.number)$default"
    }
    Add-Enum $Names $Message "$name."
    foreach ($nested in $Message['nested_type']) {
        Add-Message $Names $nested "$name."
    }
}

function Add-Enum([hashtable] $Names, [hashtable] $Parent, [string] $Scope) {
    foreach ($enum in $Parent['enum_type']) {
        $Names["$Scope$($enum.name)"] = 'enum'
        foreach ($value in $enum.value) {
            $Names["$Scope$($enum.name).$($value.name)"] = "= $($value.number)"
        }
    }
}

function Add-Schema([hashtable] $Names, [string] $Folder) {
    $files = @(Get-ChildItem -LiteralPath $Folder -Filter *.proto | Where-Object Name -NotIn $notOfImages)
    if (-not $files) {
        throw "There is no schema in $Folder."
    }
    $set = New-TemporaryFile
    try {
        & $protoc "--proto_path=$include" "--proto_path=$Folder" "--descriptor_set_out=$set" $files.Name
        if ($LASTEXITCODE) {
            throw "protoc could not compile the schemas in $Folder."
        }
        $text = /bin/cat $set.FullName | & $protoc "--proto_path=$include" "--decode=$descriptorSet" google/protobuf/descriptor.proto
    }
    finally {
        Remove-Item -LiteralPath $set
    }
    foreach ($file in (ConvertFrom-ProtobufText $text).file) {
        Add-Enum $Names $file ''
        foreach ($message in $file['message_type']) {
            Add-Message $Names $message ''
        }
    }
}

function Add-Magic([hashtable] $Names, [string] $File, [regex] $Pattern) {
    foreach ($match in $Pattern.Matches((Get-Content -LiteralPath $File -Raw))) {
        $Names["magic $($match.Groups['name'].Value.ToUpperInvariant())"] = $match.Groups['magic'].Value.ToLowerInvariant()
    }
}

$theirs = [hashtable]::new([StringComparer]::Ordinal)
$ours = [hashtable]::new([StringComparer]::Ordinal)
try {
    # KDAT is criu's feature cache; the prefixes are no types of files, but have to be right as well.
    $protoc, $include = Find-Protoc
    Add-Schema $theirs (Join-Path $CriuPath images)
    Add-Magic $theirs (Join-Path $CriuPath criu/include/magic.h) '#define\s+(?:IMG_)?(?<name>(?!KDAT_)\w+)_MAGIC\s+(?<magic>0x[0-9a-fA-F]{8})\b'
    Add-Schema $ours (Join-Path $project Images/Format/Schemas)
    Add-Magic $ours (Join-Path $project Images/Format/ImageType.cs) '(?:Register\(|uint )(?:(?<name>Common|Service)Prefix = )?(?<magic>0x[0-9a-fA-F]{8})(?:, "(?<name>\w+)")?'
}
catch {
    [Console]::Error.WriteLine($_)
    exit 2
}

$differences = foreach ($name in @($theirs.Keys; $ours.Keys) | Sort-Object -Unique -CaseSensitive) {
    if (-not $ours.ContainsKey($name)) {
        "$name is missing here; in criu: $($theirs[$name])"
    }
    elseif (-not $theirs.ContainsKey($name)) {
        "$name is not in criu; here: $($ours[$name])"
    }
    elseif ($theirs[$name] -cne $ours[$name]) {
        "$name differs; in criu: $($theirs[$name]); here: $($ours[$name])"
    }
}
$differences
"$($theirs.Count) names of criu compared, $(@($differences).Count) differences"
exit ($differences ? 1 : 0)
