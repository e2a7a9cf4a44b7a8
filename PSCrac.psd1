@{
    RootModule           = 'PSCrac.dll'
    ModuleVersion        = '0.1.0'
    GUID                 = '7645bd61-d166-4e64-add0-1e9c174094b0'
    Author               = 'PSCrac contributors'
    CompanyName          = 'PSCrac contributors'
    Copyright            = 'PSCrac contributors. MIT licence.'
    Description          = 'Freezes a running Linux process into a folder and brings it back later. Drives CRIU (Checkpoint/Restore In Userspace) through its C library, and reads its images as objects.'

    PowerShellVersion    = '7.6'
    CompatiblePSEditions = @('Core')

    FormatsToProcess     = @('PSCrac.Format.ps1xml')

    CmdletsToExport      = @(
        'Compare-CracImage'
        'Export-CracCoreDump'
        'Export-CracImage'
        'Get-CracImage'
        'Get-CracImageContent'
        'Get-CracImageMemory'
        'Get-CracProcess'
        'Get-CracService'
        'Import-CracImage'
        'Initialize-CracEnvironment'
        'Invoke-CracCheckpoint'
        'Measure-CracStartup'
        'Move-CracProcess'
        'Optimize-CracImageStore'
        'Protect-CracImage'
        'Register-CracService'
        'Remove-CracImage'
        'Restore-CracProcess'
        'Search-CracImage'
        'Start-CracProcess'
        'Test-CracEnvironment'
        'Test-CracImage'
        'Test-CracProcess'
        'Unregister-CracService'
    )
    AliasesToExport      = @('Checkpoint-CracProcess')
    FunctionsToExport    = @()
    VariablesToExport    = @()

    PrivateData          = @{
        PSData = @{
            Tags         = @('CRIU', 'CRaC', 'checkpoint', 'restore', 'process', 'JVM', 'Linux', 'PSEdition_Core')
            LicenseUri   = 'https://opensource.org/license/mit'
            ReleaseNotes = 'The first release; CHANGELOG.md tells what is in it.'
        }
    }
}
